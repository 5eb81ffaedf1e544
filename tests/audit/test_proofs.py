from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from stealproof import catalog
from stealproof.audit.proofs import LEVEL, SCHEMES, SUSPECTS, plan_proofs, proofs
from stealproof.audit.subject import Subject
from stealproof.measures.intervals import mean_over_seeds, proportion
from stealproof.roles.dataset import Dataset
from stealproof.roles.risk import Measurement
from stealproof.studies.results import Failure, Result

HELD = {"derived_triggers": (3, 3, 3, 0), "adi2018": (3, 0, 2, 0), "dawn": (3, 3, 3, 1)}


def card(scheme: str, suspect: str, detected: int, unsure: int = 0) -> dict[str, Any]:
    measures = {
        "detected": proportion(detected, 3),
        "inconclusive": proportion(unsure, 3),
        "accuracy_loss": mean_over_seeds([0.01, 0.02, 0.03]),
    }
    if suspect == "victim":
        measures["price"] = mean_over_seeds([0.001, 0.005, 0.009] if scheme == "adi2018" else [0.002, 0.003, 0.004])
    return {
        "experiment": "dispute",
        "arguments": {"scheme": scheme, "suspect": suspect, "level": LEVEL},
        "seeds": [0, 1, 2],
        "measures": {name: estimate.as_dict() for name, estimate in measures.items()},
        "by_seed": {"log10_p": [-5.0, -6.0, -7.0]},
    }


@pytest.fixture
def cards() -> list[dict[str, Any]]:
    return [
        card(scheme, suspect, detected)
        for scheme, outcomes in HELD.items()
        for suspect, detected in zip(SUSPECTS, outcomes, strict=True)
    ]


def test_every_scheme_meets_every_suspect_on_a_model_like_the_audited_one(network: Subject) -> None:
    plan = plan_proofs(network, (0, 1), wanted=True)
    plan.study.check()
    assert len(plan.study.cells()) == len(SCHEMES) * len(SUSPECTS) * 2
    for arguments in plan.study.combinations:
        assert arguments["family"] == "mlp"
        assert arguments["family_parameters"] == {"width": 32}
        assert arguments["theft_budget"] == len(network.data.pool)
    (entry,) = plan.left_out
    assert sorted([*entry.schemes, *SCHEMES]) == sorted(catalog.names("ownership"))


@pytest.mark.parametrize(
    ("changes", "wanted", "words"),
    [
        ({"arguments": {"data": "digits", "target": "victim.onnx"}}, True, "the model is finished"),
        ({"arguments": {"data": "digits", "victim": "decision_tree"}}, True, "the schemes mark neural networks"),
        ({}, False, "not asked for"),
    ],
)
def test_what_can_not_be_tried_is_left_out_with_a_reason(
    network: Subject, changes: dict[str, Any], wanted: bool, words: str
) -> None:
    plan = plan_proofs(dataclasses.replace(network, **changes), (0,), wanted=wanted)
    assert plan.study.combinations == ()
    assert plan.left_out[0].schemes == SCHEMES
    assert words in plan.left_out[0].why
    section = proofs(plan, [])
    assert section["schemes"] == section["findings"] == []
    assert words in section["left_out"][0]["why"]


def test_data_without_a_pool_are_told(network: Subject, digits: Dataset) -> None:
    parts = {name: part for name, part in digits.parts.items() if name != "pool"}
    plan = plan_proofs(dataclasses.replace(network, data=dataclasses.replace(digits, parts=parts)), (0,), wanted=True)
    assert plan.left_out[0].why == "the data have no pool part"


def test_findings_name_who_is_caught_the_price_and_who_is_accused(network: Subject, cards: list[Any]) -> None:
    section = proofs(plan_proofs(network, (0, 1, 2), wanted=True), cards)
    assert [scheme["name"] for scheme in section["schemes"]] == list(HELD)
    derived, adi, dawn = section["findings"]
    assert derived.startswith(
        "Derived triggers proves it against victim and knockoff nets and fine tuning (layers all)"
    )
    assert "its price is 0.3 points of accuracy" in derived
    assert "not reliably against knockoff nets (lost, 0/3) or fine tuning (layers all) (partly, 2/3)" in adi
    # Who accuses the innocent is no good witness, however many thieves it catches.
    assert "it accused other half, who had not stolen" in dawn


def test_why_the_judge_could_not_tell_is_said_once(network: Subject) -> None:
    plan = plan_proofs(network, (0, 1, 2), wanted=True)
    unsure = [card("dawn", suspect, 0, unsure=3) for suspect in SUSPECTS]
    estimates = {"inconclusive": proportion(1, 1)}
    results = [
        Result.of(cell, Measurement(estimates=estimates, details={"reasons": ["p", "too few marks"]}), cpu_seconds=1.0)
        for cell in plan.study.cells()
    ]
    (finding,) = proofs(plan, unsure, results)["findings"]
    assert finding.startswith("Dawn proves it against nobody; not reliably against victim (unsure, 0/3)")
    assert finding.count("too few marks") == 1


def test_failed_disputes_are_left_out_with_their_reason(network: Subject, cards: list[Any]) -> None:
    plan = plan_proofs(network, (0, 1, 2), wanted=True)
    failures = [Failure(cell=cell, reason="too few rows") for cell in plan.study.cells()[:3]]
    left_out = proofs(plan, cards, failures=failures)["left_out"]
    assert left_out[-1] == {"schemes": ["derived_triggers"], "why": "failed: too few rows"}
    assert len(left_out) == 2
