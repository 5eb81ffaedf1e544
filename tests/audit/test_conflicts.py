from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from stealproof.audit.conflicts import DEFENSES, SCHEMES, conflicts, plan_conflicts
from stealproof.audit.subject import Subject
from stealproof.measures.intervals import mean_over_seeds, proportion
from stealproof.roles.risk import Measurement
from stealproof.studies.results import Failure, Result
from stealproof.studies.study import Cell

STOP = "early_stopping"


@pytest.fixture
def one_defense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stealproof.audit.conflicts.DEFENSES", (STOP,))


def result(cell: Cell, lost: str = "") -> Result:
    protections = cell.arguments["protections"]
    estimates = {
        "accuracy": proportion(900, 1000),
        "membership_inference.auc": mean_over_seeds([0.5, 0.52]),
        **{f"{scheme}.effect": mean_over_seeds([0.8, 0.82]) for scheme in SCHEMES if scheme in protections},
        **{f"{scheme}.detected": proportion(1, 1) for scheme in SCHEMES if scheme in protections},
    }
    if lost in protections and len(protections) == 2:
        estimates[f"{lost}.effect"] = mean_over_seeds([0.1, 0.12])
    return Result.of(cell, Measurement(estimates=estimates), cpu_seconds=1.0)


def test_each_watermark_meets_each_defense_on_a_model_like_the_audited_one(network: Subject, one_defense: None) -> None:
    plan = plan_conflicts(network, (0, 1, 2, 3, 4), wanted=True)
    plan.study.check()
    pairs = [tuple(c["protections"]) for c in plan.study.combinations if len(c["protections"]) == 2]
    assert pairs == [(scheme, STOP) for scheme in SCHEMES]
    assert all(c["family"] == "mlp" and c["family_parameters"] == {"width": 32} for c in plan.study.combinations)
    assert plan.study.seeds == (0, 1, 2)


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
    plan = plan_conflicts(dataclasses.replace(network, **changes), (0,), wanted=wanted)
    section = conflicts(plan)
    assert plan.study.cells() == ()
    assert section["interactions"] == section["findings"] == []
    (entry,) = section["left_out"]
    assert entry["protections"] == [*SCHEMES, *DEFENSES]
    assert words in entry["why"]


def test_a_defense_whose_package_is_missing_is_told_how_to_get_it(
    network: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stealproof.audit.conflicts.DEFENSES", (STOP, "regularization"))
    monkeypatch.setattr("stealproof.audit.conflicts.NEEDS", {STOP: ("no_such_package", "privacy")})
    plan = plan_conflicts(network, (0,), wanted=True)
    assert plan.left_out[0] == {
        "protections": [STOP],
        "why": "needs no_such_package; install it with: pip install 'stealproof[privacy]'",
    }
    assert {c["protections"][-1] for c in plan.study.combinations if len(c["protections"]) == 2} == {"regularization"}


def test_conflicts_are_told_first_and_the_tally_before_them(network: Subject, one_defense: None) -> None:
    plan = plan_conflicts(network, (0, 1, 2), wanted=True)
    section = conflicts(plan, [result(cell, "adi2018") for cell in plan.study.cells()])
    assert json.loads(json.dumps(section, allow_nan=False)) == section
    lead, first, second = section["findings"]
    assert lead == "A quick look at 2 pairs in 3 seeds: 1 conflict, 0 undecided, 1 fine."
    assert first.startswith("Adi2018 with early stopping: conflict: the effect of adi2018 falls from .81 to .11")
    assert second.startswith("Derived triggers with early stopping: fine")
    assert section["command"].startswith("stealproof conflicts mlp --data digits --with")


def test_one_seed_is_said_to_be_one(network: Subject, one_defense: None) -> None:
    plan = plan_conflicts(network, (7,), wanted=True)
    section = conflicts(plan, [result(cell) for cell in plan.study.cells()])
    assert section["findings"][0].startswith("A quick look at 2 pairs in one seed")
    assert section["seeds"] == [7]


def test_failed_networks_are_left_out_with_their_reason(network: Subject, one_defense: None) -> None:
    plan = plan_conflicts(network, (0,), wanted=True)
    cells = plan.study.cells()
    broken = [cell for cell in cells if tuple(cell.arguments["protections"]) == ("adi2018",)]
    failures = [Failure(cell=cell, reason="too few rows") for cell in broken]
    section = conflicts(plan, [result(cell) for cell in cells if cell not in broken], failures)
    assert [pair["one"] for pair in section["interactions"]] == ["derived_triggers"]
    assert section["left_out"][-1] == {"protections": ["adi2018"], "why": "too few rows"}
