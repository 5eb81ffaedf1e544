from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError, UnknownName
from stealproof.interactions.limits import DEFAULT_CRITERION, Criterion, Limit

limits = st.builds(
    Limit,
    measure=st.text(min_size=1, max_size=12),
    drop=st.floats(0, 1e6),
    relative=st.booleans(),
    worse=st.sampled_from(["lower", "higher"]),
)
criteria = st.lists(limits, min_size=1, max_size=5, unique_by=lambda limit: limit.measure).map(
    lambda found: Criterion(limits=tuple(found))
)


@given(criteria)
def test_a_criterion_survives_its_table(criterion: Criterion) -> None:
    assert Criterion.from_table(criterion.as_dict()) == criterion


def test_a_toml_table_gives_plain_drops_and_tables() -> None:
    text = """
    [criterion]
    accuracy = 0.05
    "evasion.robust_accuracy" = 0.02
    effect = { drop = 0.5, relative = true }
    auc = { drop = 0.05, worse = "higher" }
    """
    criterion = Criterion.from_table(tomllib.loads(text)["criterion"])
    assert criterion.limit("accuracy") == Limit(measure="accuracy", drop=0.05)
    assert criterion.limit("adi2018.effect") == Limit(measure="effect", drop=0.5, relative=True)
    assert criterion.limit("lira.auc") == Limit(measure="auc", drop=0.05, worse="higher")
    assert criterion.limit("robust_accuracy") is None


def test_the_full_name_goes_before_the_last_part() -> None:
    criterion = Criterion.from_table({"effect": 0.1, "adi2018.effect": 0.2})
    assert criterion.limit("adi2018.effect") == Limit(measure="adi2018.effect", drop=0.2)
    assert criterion.limit("dawn.effect") == Limit(measure="effect", drop=0.1)


def test_accuracy_means_only_the_accuracy_of_the_network() -> None:
    assert DEFAULT_CRITERION.limit("accuracy") is not None
    assert DEFAULT_CRITERION.limit("evasion.accuracy") is None


def test_scaling_widens_every_limit() -> None:
    assert [limit.drop for limit in DEFAULT_CRITERION.scaled(2).limits] == [
        2 * limit.drop for limit in DEFAULT_CRITERION.limits
    ]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "at least one limit"),
        ([], "must be a table of limits"),
        ({"accuracy": -0.1}, "tolerated drop of at least 0, got -0.1"),
        ({"accuracy": float("nan")}, "tolerated drop of at least 0, got nan"),
        ({"accuracy": "five"}, "got 'five'"),
        ({"accuracy": True}, "got True"),
        ({"effect": {"relative": True}}, "says no drop"),
        ({"effect": {"drop": 0.5, "relative": 1}}, "must be true or false, got 1"),
        ({"auc": {"drop": 0.5, "worse": "up"}}, "must be 'lower' or 'higher', got 'up'"),
        ({"": 0.1}, "needs the name of a measure"),
    ],
)
def test_what_is_no_limit_is_refused_in_one_sentence(table: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Criterion.from_table(table)


def test_an_unknown_part_suggests_the_right_one() -> None:
    with pytest.raises(UnknownName, match="part of the limit of effect is named 'relativ'; did you mean 'relative'"):
        Criterion.from_table({"effect": {"drop": 0.5, "relativ": True}})


def test_a_name_with_a_dot_without_quotes_is_explained() -> None:
    table = tomllib.loads("evasion.robust_accuracy = 0.05")
    with pytest.raises(UnknownName, match=r'needs quotes: "evasion\.robust_accuracy" = 0\.05'):
        Criterion.from_table(table)


def test_two_limits_of_one_measure_are_refused() -> None:
    with pytest.raises(InputError, match="2 limits for accuracy"):
        Criterion(limits=(Limit(measure="accuracy", drop=0.1), Limit(measure="accuracy", drop=0.2)))
