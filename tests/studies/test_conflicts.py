from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from stealproof.interactions.limits import Criterion
from stealproof.measures.intervals import proportion
from stealproof.reports.conflicts_page import conflicts_page
from stealproof.reports.conflicts_text import conflicts_text
from stealproof.roles.risk import Measurement
from stealproof.studies.cards import make_cards
from stealproof.studies.conflicts import conflict_report, interactions, own_measures, pairs
from stealproof.studies.results import Result
from stealproof.studies.study import Study

MARK, FEW, ROBUST = "adi2018", "adi2018(triggers=20)", "pgd_training(radius=0.1)"
EVASION = "evasion(radius=0.1,rows=100)"
CRITERION = Criterion.from_table(
    {"accuracy": 0.05, "robust_accuracy": 0.05, "effect": {"drop": 0.5, "relative": True}, "detected": 0.5}
)
SETS: tuple[tuple[str, ...], ...] = ((), (MARK,), (ROBUST,), (ROBUST, MARK))


def study_of(*sets: tuple[str, ...], data: Sequence[str] = ("digits",), seeds: int = 5) -> Study:
    return Study(
        name="mine",
        title="Mine",
        experiment="deployment",
        combinations=tuple(
            {"data": one, "risks": [EVASION], "protections": list(protections)} for one in data for protections in sets
        ),
        seeds=tuple(range(seeds)),
        criterion=CRITERION,
    )


def cards_of(study: Study, robust: Mapping[tuple[str, ...], float], drop: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Accuracy 0.9 everywhere, robust accuracy as given, every mark found."""
    results = []
    for cell in study.cells():
        protections = tuple(cell.arguments["protections"])
        wobble = 0.001 * cell.seed
        estimates = {
            "accuracy": proportion(round(10_000 * (0.9 - wobble)), 10_000),
            "evasion.robust_accuracy": proportion(round(10_000 * (robust.get(protections, 0.1) - wobble)), 10_000),
        }
        if any(protection.startswith("adi2018") for protection in protections):
            estimates |= {"adi2018.effect": proportion(98, 100), "adi2018.detected": proportion(1, 1)}
        if (protections, cell.seed) not in drop:
            results.append(Result.of(cell, Measurement(estimates=estimates), cpu_seconds=2.0))
    return [card.as_dict() for card in make_cards(study, results)]


def test_a_pair_is_judged_by_its_cards_seed_by_seed() -> None:
    study = study_of(*SETS)
    (found,) = interactions(study, cards_of(study, {(ROBUST,): 0.7, (ROBUST, MARK): 0.5}))
    assert (found.one, found.other, found.verdict) == (ROBUST, MARK, "conflict")
    by_measure = {outcome.measure: outcome for outcome in found.outcomes}
    assert set(by_measure) == {"accuracy", "evasion.robust_accuracy", "adi2018.effect", "adi2018.detected"}
    assert by_measure["evasion.robust_accuracy"].of == ROBUST
    # The wobble is the same in each seed, so that it cancels.
    assert by_measure["evasion.robust_accuracy"].difference.difference.value == pytest.approx(0.2)
    assert by_measure["accuracy"].verdict == by_measure["adi2018.detected"].verdict == "fine"


def test_recorded_cards_say_the_same() -> None:
    study = study_of(*SETS)
    cards = cards_of(study, {(ROBUST,): 0.7, (ROBUST, MARK): 0.69})
    recorded = json.loads(json.dumps(cards))
    assert interactions(study, recorded) == interactions(study, cards)
    assert recorded[0]["by_seed"].keys() == {"accuracy", "evasion.robust_accuracy"}


def test_later_pairs_of_the_same_systems_are_attempts_to_rescue_the_first() -> None:
    study = study_of(*SETS, (FEW,), (FEW, ROBUST))
    report = conflict_report(study, cards_of(study, {(ROBUST,): 0.7, (ROBUST, MARK): 0.5, (FEW, ROBUST): 0.7}))
    base, rescue = report["panels"]
    assert (base["data"], rescue["data"]) == ("digits", "digits, attempts to rescue")
    (conflict,), (fine,) = base["interactions"], rescue["interactions"]
    assert (conflict["verdict"], fine["verdict"]) == ("conflict", "fine")
    assert conflict["sentence"].endswith("Measured to be fine: adi2018(triggers=20) (accuracy .90).")
    assert [line["one"] for line in report["sensitivity"]] == [ROBUST]
    json.dumps(report, allow_nan=False)
    assert "fine" in conflicts_text(report)
    assert "attempts to rescue" in conflicts_page(report)


def test_longer_training_is_an_attempt_in_a_panel_of_its_own() -> None:
    study = study_of(*SETS)
    longer = tuple({**arguments, "recipe": {"epochs": 30}} for arguments in study.combinations)
    study = dataclasses.replace(study, combinations=study.combinations + longer)
    report = conflict_report(study, cards_of(study, {(ROBUST,): 0.7, (ROBUST, MARK): 0.5}))
    assert [panel["data"] for panel in report["panels"]] == ["digits", "digits, attempts to rescue, epochs=30"]
    (asked,), (tried,) = (panel["interactions"] for panel in report["panels"])
    assert asked["sentence"].endswith("No way out was found; tried: epochs=30 (conflict).")
    assert tried["cards"]["together"]["arguments"]["recipe"] == {"epochs": 30}


def test_settings_are_kept_apart_and_only_shared_seeds_compared() -> None:
    study = study_of(*SETS, data=("digits", "iris"))
    cards = cards_of(study, {(ROBUST,): 0.7, (ROBUST, MARK): 0.7}, drop=[((ROBUST,), 3)])
    judged, unjudged = pairs(study, cards)
    assert [pair.data for pair in judged] == ["digits", "iris"]
    assert [pair.seeds for pair in judged] == [(0, 1, 2, 4), (0, 1, 2, 4)]
    assert not unjudged


def test_what_is_missing_is_told() -> None:
    study = study_of(*SETS, (FEW, ROBUST))
    cards = [card for card in cards_of(study, {(ROBUST,): 0.7}) if card["arguments"]["protections"] != [MARK]]
    report = conflict_report(study, cards)
    assert [entry["why"] for entry in report["panels"][0]["failed"]] == [
        "adi2018 alone was not measured",
        "adi2018(triggers=20) alone is no combination of the study",
    ]
    assert not interactions(study, [])
    assert conflict_report(study, [])["revision"] is None


def test_everybody_is_judged_by_what_he_is_for() -> None:
    assert own_measures("adi2018(triggers=5)", ["evasion"]) == ("adi2018.effect", "adi2018.detected")
    assert own_measures(ROBUST, ["membership_inference", EVASION]) == ("evasion.robust_accuracy",)
    assert own_measures(ROBUST, []) == ()


def test_no_share_is_taken_of_a_signal_that_is_not_there_alone() -> None:
    study = study_of(*SETS)
    cards = cards_of(study, {(ROBUST,): 0.7, (ROBUST, MARK): 0.7})
    for card in cards:
        if card["arguments"]["protections"] == [MARK]:
            card["measures"]["adi2018.effect"]["value"] = -0.01
    (found,) = interactions(study, cards)
    assert "adi2018.effect" not in {outcome.measure for outcome in found.outcomes}
