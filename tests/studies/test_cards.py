from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stealproof.errors import InvalidData, MissingData
from stealproof.interactions.limits import Criterion
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import YES_OR_NO, proportion
from stealproof.roles.risk import Measurement
from stealproof.studies.cards import distinguished, make_cards, over_seeds, read_cards, write_cards
from stealproof.studies.results import Result, plain
from stealproof.studies.study import Cell, Expectation, Study
from stealproof.studies.table import Table

Tosses = Callable[..., Study]


def estimate(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.1, high=value + 0.1, n=100, method="clopper-pearson")


def result(cell: Cell, heads: float) -> Result:
    return Result.of(cell, Measurement(estimates={"heads": estimate(heads)}), cpu_seconds=1.5)


def results(study: Study, values: dict[tuple[float, int], float]) -> list[Result]:
    return [
        result(cell, values[cell.arguments["bias"], cell.seed])
        for cell in study.cells()
        if (cell.arguments["bias"], cell.seed) in values
    ]


def test_a_card_is_the_mean_over_seeds_with_students_interval(tosses: Tosses) -> None:
    study = tosses(0.2, 0.8, seeds=3)
    values = {(0.2, 0): 0.1, (0.2, 1): 0.2, (0.2, 2): 0.3}
    (card,) = make_cards(study, results(study, values))
    heads = card.measures["heads"]
    assert heads.value == pytest.approx(0.2)
    # Student's t with 2 degrees of freedom at 95% is 4.30265; the standard deviation of the values is 0.1.
    assert heads.high - heads.value == pytest.approx(4.30265 * 0.1 / 3**0.5, rel=1e-5)
    assert card.seeds == (0, 1, 2)
    assert card.cpu_seconds == 4.5
    assert card.name == "bias=0.2"


def test_a_single_seed_keeps_its_own_interval(tosses: Tosses) -> None:
    study = tosses(0.2, seeds=3)
    (card,) = make_cards(study, results(study, {(0.2, 1): 0.4}))
    assert card.measures["heads"] == estimate(0.4)
    assert card.seeds == (1,)


def test_comparisons_are_paired_by_seed(tosses: Tosses) -> None:
    expect = Expectation(measure="heads", where={"bias": 0.8}, minus={"bias": 0.2}, at_least=0.25, reference="ours")
    study = tosses(0.2, 0.8, expect=(expect,))
    # The seeds differ much, the pairs hardly: an unpaired interval would be far wider than this one.
    values = {(0.2, 0): 0.1, (0.8, 0): 0.4, (0.2, 1): 0.5, (0.8, 1): 0.81, (0.2, 2): 0.3}
    first, second = make_cards(study, results(study, values))
    assert first.findings == ()
    (finding,) = second.findings
    assert finding.measured is not None
    assert finding.measured.value == pytest.approx(0.305)
    assert finding.measured.n == 2
    assert finding.as_dict() | {"measured": 0, "interval": []} == {
        "measure": "heads",
        "where": {"bias": 0.8},
        "minus": {"bias": 0.2},
        "measured": 0,
        "interval": [],
        "expected": ">= 0.25",
        "at_least": 0.25,
        "at_most": None,
        "holds": None,
        "paper": None,
        "reference": "ours",
    }


def test_one_pair_is_bounded_by_both_intervals_and_no_pair_is_not_measured(tosses: Tosses) -> None:
    expect = Expectation(measure="heads", where={"bias": 0.8}, minus={"bias": 0.2}, at_least=0)
    study = tosses(0.2, 0.8, expect=(expect,))
    card = make_cards(study, results(study, {(0.2, 0): 0.1, (0.8, 0): 0.6}))[1]
    measured = card.findings[0].measured
    assert measured is not None
    assert (measured.low, measured.high) == pytest.approx((0.3, 0.7))
    assert card.findings[0].holds is True
    (lonely,) = make_cards(study, results(study, {(0.8, 0): 0.6}))
    assert lonely.findings[0].measured is None
    assert lonely.findings[0].holds is None
    assert lonely.as_dict()["expectations"][0]["interval"] is None


def said(cell: Cell, yes: bool) -> Result:
    answer = Estimate(value=float(yes), low=float(yes), high=float(yes), n=1, method=YES_OR_NO)
    return Result.of(cell, Measurement(estimates={"heads": answer}), cpu_seconds=1.5)


def test_yes_or_no_in_each_seed_is_a_rate_that_is_never_certain(tosses: Tosses) -> None:
    study = tosses(0.2, 0.8, seeds=5)
    cells = study.cells()
    never, always = make_cards(study, [said(cell, cell.arguments["bias"] > 0.5) for cell in cells])
    # The exact 95% bound of 0 out of 5 is 1 - 0.025^(1/5).
    assert never.measures["heads"].value == 0
    assert never.measures["heads"].high == pytest.approx(1 - 0.025 ** (1 / 5))
    assert always.measures["heads"].low == pytest.approx(0.025 ** (1 / 5))
    assert always.measures["heads"].method == "clopper-pearson"
    (single,) = make_cards(study, [said(cells[0], True)])
    assert (single.measures["heads"].low, single.measures["heads"].high) == pytest.approx((0.025, 1.0))


def test_a_difference_of_rates_is_bounded_by_both_exact_intervals(tosses: Tosses) -> None:
    expect = Expectation(measure="heads", where={"bias": 0.8}, minus={"bias": 0.2}, at_least=0.1)
    study = tosses(0.2, 0.8, seeds=5, expect=(expect,))
    _, always = make_cards(study, [said(cell, cell.arguments["bias"] > 0.5) for cell in study.cells()])
    measured = always.findings[0].measured
    assert measured is not None
    assert measured.value == 1
    assert measured.low == pytest.approx(2 * 0.0125 ** (1 / 5) - 1)
    assert measured.n == 5


def test_every_seed_is_kept_of_a_measure_whose_spread_is_shown_or_that_a_criterion_judges(tosses: Tosses) -> None:
    study = tosses(0.2, seeds=3)
    values = {(0.2, 0): 0.1, (0.2, 1): 0.2, (0.2, 2): 0.3}
    (card,) = make_cards(study, results(study, values))
    assert "by_seed" not in card.as_dict()
    shown = dataclasses.replace(study, table=Table(rows=("throws",), columns="bias", measure="heads", spread="heads"))
    (card,) = make_cards(shown, results(shown, values))
    assert card.as_dict()["by_seed"] == {"heads": [0.1, 0.2, 0.3]}
    judged = dataclasses.replace(study, criterion=Criterion.from_table({"heads": 0.1}))
    (card,) = make_cards(judged, results(judged, values))
    assert card.as_dict()["by_seed"] == {"heads": [0.1, 0.2, 0.3]}
    others = dataclasses.replace(study, criterion=Criterion.from_table({"tails": 0.1}))
    (card,) = make_cards(others, results(others, values))
    assert not card.by_seed


def test_names_tell_combinations_apart() -> None:
    assert distinguished([{"a": 1, "b": 2}, {"a": 1, "b": 3}]) == ["b=2", "b=3"]
    assert distinguished([{"a": 1}]) == ["all"]
    nested = [{"b": 1, "p": {"x": 1}, "q": {"y": 5}}, {"b": 1, "p": {"x": 2}}, {"b": 2, "p": {"x": 2}}]
    assert distinguished(nested) == ["b=1, x=1", "b=1, x=2", "b=2, x=2"]
    ambiguous = [{"p": {"x": 1}, "q": {"x": 5}}, {"p": {"x": 2}, "q": {"x": 5}}, {"p": {"x": 1}, "q": {"x": 6}}]
    assert distinguished(ambiguous) == ["p.x=1, q.x=5", "p.x=2, q.x=5", "p.x=1, q.x=6"]
    assert distinguished([]) == []
    follows = [{"d": d, "r": ["x"] if d < 3 else ["y"], "p": [p]} for d in (1, 2, 3) for p in "ab"]
    assert distinguished(follows)[:2] == ["d=1, p=['a']", "d=1, p=['b']"]


def test_stored_cards_are_sorted_rounded_and_read_again(tosses: Tosses, tmp_path: Path) -> None:
    study = tosses(0.8, 0.2, seeds=2)
    values = {(bias, seed): bias / 3 for bias in (0.2, 0.8) for seed in (0, 1)}
    cards = [card.as_dict() for card in make_cards(study, results(study, values))]
    path = tmp_path / "results" / "tosses.json"
    write_cards(path, cards)
    written = path.read_bytes()
    write_cards(path, list(reversed(cards)))
    assert path.read_bytes() == written
    stored = read_cards(path)
    assert [card["name"] for card in stored] == ["bias=0.2", "bias=0.8"]
    assert stored[0]["measures"]["heads"]["value"] == 0.0666667
    assert set(stored[0]) == {
        "name",
        "study",
        "experiment",
        "arguments",
        "seeds",
        "measures",
        "expectations",
        "cpu_seconds",
        "versions",
        "revision",
    }


def test_files_that_hold_no_cards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="could not read the result cards"):
        read_cards(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("[{")
    with pytest.raises(InvalidData, match="expected a JSON list of result cards, got damaged JSON"):
        read_cards(tmp_path / "bad.json")
    (tmp_path / "bad.json").write_text(json.dumps([1]))
    with pytest.raises(InvalidData, match="got something else"):
        read_cards(tmp_path / "bad.json")


def test_a_measure_that_is_not_finite_is_refused() -> None:
    cell = Cell(experiment="coin", arguments={}, seed=0)
    with pytest.raises(InvalidData, match="expected a finite heads, got nan"):
        result(cell, float("nan"))


def test_plain_knows_arrays_and_what_json_lacks() -> None:
    import numpy as np

    given = {"a": np.arange(2), "b": np.float32(1), "c": (1, float("inf")), "d": Path("x"), 1: None, "e": True}
    assert plain(given) == {"a": [0, 1], "b": 1.0, "c": [1, None], "d": "x", "1": None, "e": True}


def test_many_yeses_and_noes_of_each_seed_are_counted_together() -> None:
    each = [dataclasses.replace(proportion(k, 200), method=YES_OR_NO) for k in (0, 3, 0)]
    together = over_seeds(each)
    assert (together.value, together.n) == (3 / 600, 600)
    assert (together.low, together.high) == (proportion(3, 600).low, proportion(3, 600).high)
