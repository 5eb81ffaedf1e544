from __future__ import annotations

from pathlib import Path

import pytest

from stealproof.errors import InputError, InvalidData, MissingData, UnknownName
from stealproof.studies.study import Expectation
from stealproof.studies.table import Table
from stealproof.studies.toml_file import read_study

GOOD = """
title = "Coins"
experiment = "coin"
seeds = [3, 4]
show = ["heads"]

[paper]
authors = "Bernoulli"
title = "Ars conjectandi"
venue = "Basel"
year = 1713
url = "https://example.org"

[settings]
throws = 50
options = { hand = "left" }

[axes]
bias = [0.2, 0.8]

[[cells]]
options = { height = 1 }

[[cells]]
throws = 60

[[expect]]
measure = "heads"
where = { bias = 0.8, options = { height = 1 } }
minus = { bias = 0.2 }
at_least = 0.1
paper = 0.6
reference = "the law of large numbers"
"""


@pytest.fixture
def file(tmp_path: Path, coin: Path) -> Path:
    return tmp_path / "tosses.toml"


def test_reads_combinations_as_the_product_of_cells_and_axes_over_the_settings(file: Path) -> None:
    file.write_text(GOOD)
    study = read_study(file)
    assert study.name == "tosses"
    assert study.seeds == (3, 4)
    assert study.source is not None
    assert study.source.year == 1713
    assert study.combinations == (
        {"throws": 50, "options": {"hand": "left", "height": 1}, "bias": 0.2},
        {"throws": 50, "options": {"hand": "left", "height": 1}, "bias": 0.8},
        {"throws": 60, "options": {"hand": "left"}, "bias": 0.2},
        {"throws": 60, "options": {"hand": "left"}, "bias": 0.8},
    )
    assert study.expectations == (
        Expectation(
            measure="heads",
            where={"bias": 0.8, "options": {"height": 1}},
            minus={"bias": 0.2},
            at_least=0.1,
            paper=0.6,
            reference="the law of large numbers",
        ),
    )
    assert len(study.cells()) == 8


def test_a_cell_that_fixes_an_axis_is_not_crossed_with_it(file: Path) -> None:
    file.write_text(GOOD.replace("throws = 60", "bias = 0.5").partition("[[expect]]")[0])
    assert [combination["bias"] for combination in read_study(file).combinations] == [0.2, 0.8, 0.5]


TABLE = """
[table]
rows = ["throws", "options"]
columns = "bias"
measure = "heads"
spread = "heads"
"""


def test_a_table_has_rows_columns_and_a_measure(file: Path) -> None:
    file.write_text(GOOD.replace("[settings]", f"{TABLE}\n[settings]"))
    table = read_study(file).table
    assert table == Table(rows=("throws", "options"), columns="bias", measure="heads", spread="heads")
    assert table.place({"throws": 50, "bias": 0.2}) == ((50, None), 0.2)


@pytest.mark.parametrize(
    ("old", "new", "error", "told"),
    [
        ('["throws", "options"]', '"breaks"', InputError, "table: .* stands where another combination does"),
        ('["throws", "options"]', "[]", InputError, r"\[table\]: rows must be a parameter or a list of parameters"),
        ('["throws", "options"]', '"throw"', UnknownName, "table: no parameter of coin is named 'throw'; did you"),
        ('measure = "heads"\nspread', 'measure = "tails"\nspread', UnknownName, "table: measure: no measure of coin"),
        ('spread = "heads"', 'spred = "heads"', UnknownName, r"no key of \[table\] is named 'spred'; did you mean"),
        ('columns = "bias"', "", InputError, r"\[table\] needs the key 'columns'"),
    ],
)
def test_mistakes_in_a_table_are_told(file: Path, old: str, new: str, error: type[Exception], told: str) -> None:
    assert old in TABLE
    file.write_text(GOOD.replace("[settings]", f"{TABLE.replace(old, new)}\n[settings]"))
    with pytest.raises(error, match=told):
        read_study(file)


@pytest.mark.parametrize(
    ("old", "new", "error", "told"),
    [
        ('title = "Coins"', "", InputError, "a study needs the key 'title', got experiment"),
        ('title = "Coins"', "title = 3", InputError, "title must be text, got 3"),
        ("[settings]", "[setings]", UnknownName, "no key of a study is named 'setings'; did you mean 'settings'?"),
        ('"coin"', '"coyn"', UnknownName, "no experiment is named 'coyn'; did you mean 'coin'?"),
        ("throws = 50", "throw = 50", UnknownName, "no parameter of coin is named 'throw'; did you mean 'throws'?"),
        ("throws = 50", 'throws = "many"', InputError, "parameter throws of coin must be int, got 'many'"),
        ("bias = [0.2, 0.8]", "bias = [0.2, 2.0]", InputError, "bias must lie between 0 and 1, got 2.0"),
        ("bias = [0.2, 0.8]", "bias = []", InputError, r"\[axes\] bias must be a list of at least 1 value, got \[\]"),
        ("bias = [0.2, 0.8]", "bias = 0.2", InputError, r"\[axes\] bias must be a list of at least 1 value, got 0.2"),
        ("bias = [0.2, 0.8]", "bias = [0.2, 0.8, 0.2]", InputError, "bias=0.2 is given twice; drop one"),
        ("seeds = [3, 4]", "seeds = 0", InputError, "seeds must be a count of at least 1 or a list, got 0"),
        ("seeds = [3, 4]", "seeds = [3, 3]", InputError, "seeds must be a list of different whole numbers"),
        ("seeds = [3, 4]", "seeds = true", InputError, "seeds must be a whole number or a list, got True"),
        ('show = ["heads"]', 'show = ["head"]', UnknownName, "show: no measure of coin is named 'head'"),
        (
            'measure = "heads"',
            'measure = "tails"',
            UnknownName,
            r"\[\[expect\]\] number 1: measure: no measure of coin",
        ),
        ('measure = "heads"', "", InputError, r"\[\[expect\]\] needs the key 'measure'"),
        ("at_least = 0.1", "", InputError, "expected at_least or at_most or both, got neither"),
        ("at_least = 0.1", 'at_least = "0.1"', InputError, "at_least must be a whole number or a number, got '0.1'"),
        ("{ bias = 0.8,", "{ bias = 0.9,", InputError, "matches no combination of this study"),
        ("minus = { bias = 0.2 }", "minus = { bias = 0.3 }", InputError, "names no other combination of this study"),
        ("year = 1713", "", InputError, r"\[paper\]: \[paper\] needs the key 'year'"),
        ("[[cells]]\noptions", "cells = [1]\n[more]\noptions", UnknownName, "no key of a study is named 'more'"),
        ("[axes]", "[axes", InvalidData, "expected a TOML file, got one that can't be parsed"),
    ],
)
def test_every_mistake_is_one_sentence_with_file_and_key(
    file: Path, old: str, new: str, error: type[Exception], told: str
) -> None:
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(error, match=told) as caught:
        read_study(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"could not read the study .*none\.toml"):
        read_study(tmp_path / "none.toml")


CONFLICTS = """
title = "Two of them"
experiment = "deployment"
[criterion]
accuracy = 0.05
"evasion.robust_accuracy" = 0.05
effect = { drop = 0.5, relative = true }
[axes]
protections = [[], ["adi2018"]]
"""


def test_reads_a_criterion(tmp_path: Path) -> None:
    file = tmp_path / "two.toml"
    file.write_text(CONFLICTS)
    criterion = read_study(file).criterion
    assert criterion is not None
    assert [limit.measure for limit in criterion.limits] == ["accuracy", "evasion.robust_accuracy", "effect"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "accuracy = 0.05",
            "accuracy = -1",
            "[criterion]: the limit of accuracy must be a tolerated drop of at least 0",
        ),
        ("effect =", "effekt =", "criterion: no measure of deployment is named 'effekt'; did you mean 'effect'?"),
        ("relative = true", "relativ = true", "did you mean 'relative'?"),
        ('"evasion.', '"evasoin.', "criterion: no measure of deployment is named 'evasoin.robust_accuracy'"),
        ('"deployment"', '"dispute"', "criterion: dispute has no protections that could conflict; drop [criterion]"),
        ("[criterion]\naccuracy", "criterion = 0.05\naccuracy", "criterion must be a table, got 0.05"),
    ],
)
def test_a_wrong_criterion_is_one_sentence(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = tmp_path / "two.toml"
    content = CONFLICTS.replace(old, new, 1)
    assert content != CONFLICTS
    file.write_text(content.replace('[axes]\nprotections = [[], ["adi2018"]]\n', "") if "dispute" in new else content)
    with pytest.raises(InputError) as caught:
        read_study(file)
    assert words in str(caught.value)
