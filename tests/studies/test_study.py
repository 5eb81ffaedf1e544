from __future__ import annotations

import pytest

from stealproof.errors import InputError
from stealproof.measures.estimate import Estimate
from stealproof.studies.study import Expectation, Study, described, matches, merged, thawed


def estimate(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high, n=5, method="test")


@pytest.mark.parametrize(
    ("at_least", "at_most", "low", "high", "holds"),
    [
        (0.9, None, 0.91, 0.95, True),
        (0.9, None, 0.9, 0.9, True),
        (0.9, None, 0.85, 0.95, None),
        (0.9, None, 0.8, 0.85, False),
        (None, 0.9, 0.8, 0.85, True),
        (None, 0.9, 0.91, 0.95, False),
        (None, 0.9, 0.85, 0.95, None),
        (0.6, 0.9, 0.65, 0.85, True),
        (0.6, 0.9, 0.5, 0.55, False),
        (0.6, 0.9, 0.5, 0.65, None),
        (0.6, 0.9, 0.5, 0.95, None),
    ],
)
def test_an_expectation_holds_only_where_the_whole_interval_says_so(
    at_least: float | None, at_most: float | None, low: float, high: float, holds: bool | None
) -> None:
    expectation = Expectation(measure="x", at_least=at_least, at_most=at_most)
    assert expectation.judge(estimate(low, high)) is holds
    assert expectation.judge(None) is None


def test_conditions_in_words() -> None:
    assert Expectation(measure="x", at_least=0.99).expected == ">= 0.99"
    assert Expectation(measure="x", at_most=1e-9).expected == "<= 1e-09"
    assert Expectation(measure="x", at_least=0.65, at_most=0.9).expected == "0.65 to 0.9"


def test_matches_compares_tables_by_key_and_lists_as_any() -> None:
    arguments = {"budget": 10, "attack_parameters": {"reward": "all", "rate": 0.1}, "sizes": [1, 2]}
    assert matches(arguments, {})
    assert matches(arguments, {"attack_parameters": {"reward": "all"}})
    assert matches(arguments, {"budget": [10, 20]})
    assert matches(arguments, {"sizes": [1, 2]})
    assert not matches(arguments, {"budget": [20, 30]})
    assert not matches(arguments, {"attack_parameters": {"reward": "loss"}})
    assert not matches(arguments, {"pool": "own"})


def test_merged_puts_changes_over_without_touching_the_original() -> None:
    original = {"a": 1, "table": {"b": 2, "c": 3}}
    assert merged(original, {"a": 4, "table": {"b": 5}}) == {"a": 4, "table": {"b": 5, "c": 3}}
    assert original == {"a": 1, "table": {"b": 2, "c": 3}}


def test_a_counterpart_has_the_changes_in_the_place_of_the_values() -> None:
    combinations: tuple[dict[str, object], ...] = (
        {"budget": 10, "how": {"policy": "random"}},
        {"budget": 10, "how": {"policy": "adaptive", "reward": "loss"}},
    )
    study = Study(name="s", title="", experiment="coin", combinations=combinations)
    assert study.counterpart(combinations[1], {"how": {"policy": "random"}}) == combinations[0]
    assert study.counterpart(combinations[0], {"how": {"policy": "random"}}) is None
    assert study.counterpart(combinations[1], {"budget": 20}) is None


def test_described_and_thawed() -> None:
    arguments = {"budget": 10, "attack_parameters": {"sizes": [1, [2]]}}
    assert described(arguments) == ["budget=10", "attack_parameters.sizes=[1, [2]]"]
    assert thawed(arguments) == {"budget": 10, "attack_parameters": {"sizes": (1, (2,))}}


def test_seeded_wants_at_least_one_seed() -> None:
    study = Study(name="s", title="", experiment="coin", combinations=({},))
    assert study.seeded(2).seeds == (0, 1)
    with pytest.raises(InputError, match="at least 1 seed, got 0"):
        study.seeded(0)
