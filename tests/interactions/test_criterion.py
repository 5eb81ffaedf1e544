from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError, UnknownName
from stealproof.interactions.criterion import Criterion, Interaction, interaction
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import proportion
from stealproof.measures.paired import paired_difference

MARK, PRIVATE = "adi2018", "dp_sgd(epsilon=3)"
ALONE: dict[str, dict[str, list[float]]] = {
    "": {"accuracy": [0.92, 0.91, 0.92, 0.92, 0.91]},
    MARK: {
        "accuracy": [0.91, 0.90, 0.91, 0.91, 0.90],
        "adi2018.effect": [0.98, 0.97, 0.99, 0.98, 0.97],
        "adi2018.detected": [1, 1, 1, 1, 1],
    },
    PRIVATE: {"accuracy": [0.86, 0.85, 0.85, 0.86, 0.85], "membership_inference.auc": [0.51, 0.50, 0.52, 0.51, 0.50]},
}
FINE: dict[str, list[float]] = {
    "accuracy": [0.85, 0.85, 0.84, 0.85, 0.85],
    "adi2018.effect": [0.97, 0.97, 0.98, 0.97, 0.97],
    "adi2018.detected": [1, 1, 1, 1, 1],
    "membership_inference.auc": [0.51, 0.51, 0.52, 0.51, 0.51],
}


def judged(together: dict[str, Any] | None = None, **words: Any) -> Interaction:
    return interaction(MARK, PRIVATE, **{"alone": ALONE, "together": FINE | (together or {}), **words})


def refused(change: dict[str, Any]) -> Interaction:
    return interaction(MARK, PRIVATE, **{"alone": ALONE, "together": FINE, **change})


def verdicts(found: Interaction) -> dict[str, str]:
    return {outcome.measure: outcome.verdict for outcome in found.outcomes}


def test_a_pair_that_loses_nothing_is_fine() -> None:
    found = judged()
    assert set(verdicts(found).values()) == {"fine"}
    assert found.verdict == "fine"


def test_a_lost_watermark_is_a_conflict_of_its_owner() -> None:
    found = judged({"adi2018.effect": [0.1, 0.2, 0.1, 0.1, 0.2], "adi2018.detected": [0, 0, 0, 0, 0]})
    assert found.verdict == "conflict"
    lost = next(outcome for outcome in found.outcomes if outcome.measure == "adi2018.detected")
    assert (lost.of, lost.verdict) == (MARK, "conflict")
    assert (lost.alone.value, lost.together.value, lost.together.n) == (1, 0, 5)
    assert lost.together.method == "clopper-pearson"


def test_seeds_that_all_agree_decide_only_when_they_are_enough() -> None:
    """At 4 of 4 the share of lost proofs may still be one half; at 5 of 5 it is above, with 95% confidence."""
    for seeds, verdict in ((2, "undecided"), (4, "undecided"), (5, "conflict")):
        alone: dict[str, Any] = {
            "a": {"accuracy": [0.9] * seeds, "a.detected": [1] * seeds},
            "b": {"accuracy": [0.9] * seeds},
        }
        lost = interaction("a", "b", alone=alone, together={"accuracy": [0.9] * seeds, "a.detected": [0] * seeds})
        assert verdicts(lost)["a.detected"] == verdict
        kept = interaction("a", "b", alone=alone, together={"accuracy": [0.9] * seeds, "a.detected": [1] * seeds})
        assert verdicts(kept)["a.detected"] == ("fine" if seeds == 5 else "undecided")


def test_a_share_is_of_the_value_alone() -> None:
    effect = next(outcome for outcome in judged().outcomes if outcome.measure == "adi2018.effect")
    assert effect.tolerated == pytest.approx(0.489)
    halved = judged({"adi2018.effect": [0.45, 0.44, 0.46, 0.45, 0.44]})
    assert verdicts(halved)["adi2018.effect"] == "conflict"


def test_the_accuracy_is_compared_with_the_lower_of_the_two() -> None:
    accuracy = judged().outcomes[0]
    assert (accuracy.measure, accuracy.of) == ("accuracy", "")
    assert accuracy.alone.value == pytest.approx(np.mean([0.86, 0.85, 0.85, 0.86, 0.85]))
    expected = paired_difference(ALONE[PRIVATE]["accuracy"], FINE["accuracy"])
    assert accuracy.difference == expected


def test_a_rise_is_the_harm_where_higher_is_worse() -> None:
    leak = judged({"membership_inference.auc": [0.62, 0.61, 0.63, 0.62, 0.61]})
    outcome = next(o for o in leak.outcomes if o.measure == "membership_inference.auc")
    assert outcome.verdict == "conflict"
    assert outcome.difference.difference.value == pytest.approx(0.11)
    assert judged({"membership_inference.auc": [0.4, 0.4, 0.4, 0.4, 0.4]}).verdict == "fine"


def test_an_interval_across_the_limit_is_undecided() -> None:
    found = judged({"accuracy": [0.83, 0.78, 0.81, 0.83, 0.78]})
    assert verdicts(found)["accuracy"] == "undecided"
    assert found.verdict == "undecided"


def test_a_loss_of_exactly_the_limit_is_tolerated() -> None:
    alone: dict[str, Any] = {"a": {"accuracy": [0.9, 0.8]}, "b": {"accuracy": [0.95, 0.95]}}
    found = interaction("a", "b", alone=alone, together={"accuracy": [0.85, 0.75]})
    assert found.verdict == "fine"


def test_the_pairing_is_what_decides() -> None:
    """The seeds differ by far more than the loss, which is the same in all."""
    alone: dict[str, Any] = {"a": {"accuracy": [0.9, 0.7, 0.8]}, "b": {"accuracy": [0.95, 0.95, 0.95]}}
    found = interaction("a", "b", alone=alone, together={"accuracy": [0.83, 0.63, 0.731]})
    assert found.verdict == "conflict"


def test_one_seed_decides_nothing() -> None:
    alone: dict[str, Any] = {"a": {"accuracy": [0.9]}, "b": {"accuracy": [0.9], "b.effect": [0.9]}}
    found = interaction("a", "b", alone=alone, together={"accuracy": [0.9], "b.effect": [0.0]})
    assert set(verdicts(found).values()) == {"undecided"}
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["outcomes"][0]["difference"]["low"] is None
    assert Interaction.from_dict(found.as_dict()) == found


def test_one_seed_with_intervals_over_rows_may_decide_and_says_so() -> None:
    alone: dict[str, Any] = {"a": {"accuracy": [proportion(900, 1000)]}, "b": {"accuracy": [proportion(950, 1000)]}}
    found = interaction("a", "b", alone=alone, together={"accuracy": [proportion(700, 1000)]})
    assert found.verdict == "conflict"
    assert found.outcomes[0].difference.difference.method.startswith("one seed")
    assert "one seed: the intervals are those of the rows" in found.sentence()


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_the_difference_of_two_proportions_holds_its_level(rate: float) -> None:
    """Square-and-add of exact intervals covers the true difference at least as often as it says."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        one, other = (proportion(int(rng.binomial(200, share)), 200) for share in (rate, rate / 2))
        alone: dict[str, Any] = {"a": {"accuracy": [one]}, "b": {"accuracy": [one]}}
        difference = interaction("a", "b", alone=alone, together={"accuracy": [other]}).outcomes[0].difference
        covered += difference.difference.low <= rate / 2 <= difference.difference.high
    assert covered >= 0.95 * 300 - 8


def test_measures_without_a_limit_are_not_judged_and_may_be_anything() -> None:
    alone: dict[str, Any] = {**ALONE, MARK: {**ALONE[MARK], "adi2018.log10_p": [-math.inf] * 3}}
    assert "adi2018.log10_p" not in verdicts(judged(alone=alone))


def test_another_criterion_may_judge_otherwise() -> None:
    strict = Criterion.from_table({"accuracy": 0.0001})
    assert judged({"accuracy": [0.84, 0.83, 0.83, 0.84, 0.83]}, criterion=strict).verdict == "conflict"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"together": {**FINE, "accuracy": [0.8, math.nan, 0.8]}}, "must be finite, got nan"),
        ({"together": {**FINE, "accuracy": [0.8, 0.8]}}, "5 values, of adi2018 with dp_sgd.* 2"),
        ({"together": {**FINE, "accuracy": []}}, "has no value"),
        ({"together": {"accuracy": FINE["accuracy"]}}, "adi2018.effect was measured of adi2018 alone, but not of"),
        ({"alone": {**ALONE, MARK: {"accuracy": [0.9]}}}, "has 1 values"),
        ({"alone": {**ALONE, PRIVATE: {}}}, "the accuracy of adi2018 alone is known, but not"),
        ({"alone": {**ALONE, MARK: {**ALONE[MARK], "adi2018.effect": [0.0] * 5}}}, "of which no share can be"),
        ({"alone": {MARK: {"size": [1]}, PRIVATE: {}}}, "nothing to judge"),
    ],
)
def test_what_can_not_be_judged_is_refused_in_one_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        refused(change)
    assert "\n" not in str(caught.value)


def test_unknown_and_repeated_protections_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'adi2018'"):
        interaction("adi2081", PRIVATE, alone=ALONE, together=FINE)
    with pytest.raises(InputError, match="compared with itself"):
        interaction(MARK, MARK, alone=ALONE, together=FINE)


def test_a_record_that_misses_a_part_is_refused() -> None:
    with pytest.raises(InputError, match="a part is missing"):
        Interaction.from_dict({"one": "a", "other": "b"})


values = st.lists(st.floats(0.01, 1), min_size=3, max_size=3)


@given(st.integers(0, 2**32 - 1), values, values, values, st.floats(0, 1))
def test_an_interaction_survives_json(
    seed: int, a: list[float], b: list[float], both: list[float], drop: float
) -> None:
    alone: dict[str, Any] = {"a": {"accuracy": a, "a.effect": both}, "b": {"accuracy": b, "b.detected": [1, 0, 1]}}
    together: dict[str, Any] = {"accuracy": both, "a.effect": a, "b.detected": [0, 0, 1]}
    criterion = Criterion.from_table({"accuracy": drop, "effect": {"drop": drop, "relative": True}, "detected": drop})
    found = interaction("a", "b", alone=alone, together=together, criterion=criterion)
    assert Interaction.from_dict(json.loads(json.dumps(found.as_dict(), allow_nan=False))) == found


@given(values, values, st.floats(0, 1), st.floats(0, 1))
def test_a_wider_limit_never_makes_a_conflict(a: list[float], both: list[float], one: float, other: float) -> None:
    order = ["conflict", "undecided", "fine"]
    alone: dict[str, Any] = {"a": {"accuracy": a}, "b": {"accuracy": [2.0, 2.0, 2.0]}}
    found = [
        interaction("a", "b", alone=alone, together={"accuracy": both}, criterion=Criterion.from_table({"accuracy": d}))
        for d in sorted((one, other))
    ]
    assert order.index(found[0].verdict) <= order.index(found[1].verdict)


def test_an_estimate_of_several_seeds_is_read_as_its_value() -> None:
    series = [Estimate(value=v, low=v - 0.1, high=v + 0.1, n=50, method="bootstrap") for v in (0.9, 0.8)]
    alone: dict[str, Any] = {"a": {"accuracy": series}, "b": {"accuracy": [1.0, 1.0]}}
    found = interaction("a", "b", alone=alone, together={"accuracy": [0.9, 0.8]})
    assert found.outcomes[0].difference.difference.value == 0
