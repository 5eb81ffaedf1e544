from __future__ import annotations

import pytest

from stealproof.interactions.criterion import interaction
from stealproof.interactions.sentence import number, sentence

ALONE: dict[str, dict[str, list[float]]] = {
    "adi2018": {"accuracy": [0.9] * 5, "adi2018.effect": [0.98] * 5, "adi2018.detected": [1] * 5},
    "dp_sgd(epsilon=3)": {"accuracy": [0.85, 0.86, 0.85, 0.85, 0.84]},
}
LOST: dict[str, list[float]] = {"accuracy": [0.84] * 5, "adi2018.effect": [0.12] * 5, "adi2018.detected": [0] * 5}
KEPT: dict[str, list[float]] = {"accuracy": [0.83] * 5, "adi2018.effect": [0.97] * 5, "adi2018.detected": [1] * 5}
PAIR = ("adi2018", "dp_sgd(epsilon=3)")


def test_a_conflict_says_what_is_lost() -> None:
    found = interaction(*PAIR, alone=ALONE, together=LOST)
    assert found.sentence() == (
        "adi2018 with dp_sgd(epsilon=3): conflict: adi2018 proves ownership in 0 of 5 runs, alone in 5 of 5"
        " (its effect falls from .98 to .12)."
    )


def test_fine_says_what_was_compared() -> None:
    assert interaction(*PAIR, alone=ALONE, together=KEPT).sentence() == (
        "adi2018 with dp_sgd(epsilon=3): fine: the accuracy is .83, alone .85, the effect of adi2018 is .97, alone .98,"
        " adi2018 proves ownership in 5 of 5 runs, alone in 5 of 5."
    )


def test_undecided_says_how_wide_the_doubt_is() -> None:
    found = interaction(*PAIR, alone=ALONE, together={**KEPT, "accuracy": [0.82, 0.76, 0.81, 0.84, 0.79]})
    assert "undecided: the accuracy is .80, alone .85, a loss between" in found.sentence()
    assert found.sentence().endswith("repeat with more seeds.")


def test_the_measure_of_a_defense_names_the_risk_and_the_defense() -> None:
    alone: dict[str, dict[str, list[float]]] = {
        "adi2018": {},
        "pgd_training": {"evasion.robust_accuracy": [0.69, 0.70]},
    }
    found = interaction("adi2018", "pgd_training", alone=alone, together={"evasion.robust_accuracy": [0.51, 0.51]})
    assert "the robust accuracy (evasion) of pgd_training falls from .69 to .51" in found.sentence()


def test_a_measured_way_out_is_advised_the_most_accurate_first() -> None:
    found = interaction(*PAIR, alone=ALONE, together=LOST)
    fine = interaction(*PAIR, alone=ALONE, together=KEPT)
    better = interaction(*PAIR, alone=ALONE, together={**KEPT, "accuracy": [0.86] * 5})
    said = sentence(found, rescues=[("epsilon=30", fine), ("joined=outside", better), ("clip=10", found)])
    assert said.endswith("Measured to be fine: joined=outside (accuracy .86); epsilon=30 (accuracy .83).")


def test_ways_that_did_not_help_are_named_and_none_is_advised() -> None:
    found = interaction(*PAIR, alone=ALONE, together=LOST)
    assert sentence(found, rescues=[("clip=10", found)]).endswith("No way out was found; tried: clip=10 (conflict).")
    fine = interaction(*PAIR, alone=ALONE, together=KEPT)
    assert sentence(fine, rescues=[("clip=10", found)]) == fine.sentence()


def test_one_seed_is_named_as_the_reason() -> None:
    alone = {name: {measure: values[:1] for measure, values in found.items()} for name, found in ALONE.items()}
    found = interaction(*PAIR, alone=alone, together={measure: values[:1] for measure, values in LOST.items()})
    assert "one seed has no interval" in found.sentence()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.98, ".98"), (-0.5, "-.50"), (1.0, "1.00"), (0.999, "1.00"), (0.0, ".00"), (0.001, "0.001"), (123.4, "123")],
)
def test_numbers_read_like_those_of_a_table(value: float, text: str) -> None:
    assert number(value) == text
