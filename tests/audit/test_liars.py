from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from stealproof import catalog
from stealproof.audit.liars import LEVEL, QUESTIONS, SCHEMES, liars, plan_liars
from stealproof.audit.subject import Subject
from stealproof.measures.intervals import proportion
from stealproof.studies.results import Failure

BELIEVED = {"derived_triggers": (3, 0, 0), "adi2018": (2, 57, 0), "dawn": (0, 30, 9)}


@pytest.fixture
def cards() -> list[dict[str, Any]]:
    return [
        {
            "arguments": {"scheme": scheme, "accusation": accusation, "policy": policy, "level": LEVEL},
            "measures": {"believed": proportion(count, 3 if name == "own" else 60).as_dict()},
        }
        for scheme, counts in BELIEVED.items()
        for (name, (accusation, policy)), count in zip(QUESTIONS.items(), counts, strict=True)
    ]


def test_each_scheme_is_claimed_honestly_and_falsely_about_models_like_the_audited_one(network: Subject) -> None:
    plan = plan_liars(network, (0, 1), wanted=True)
    plan.study.check()
    assert len(plan.study.cells()) == len(SCHEMES) * len(QUESTIONS) * 2
    assert all(arguments["family_parameters"] == {"width": 32} for arguments in plan.study.combinations)
    (others,) = plan.left_out
    assert sorted([*others.schemes, *SCHEMES]) == sorted(catalog.names("ownership"))


@pytest.mark.parametrize(
    ("changes", "wanted", "words"),
    [({"arguments": {"data": "digits", "target": "m.onnx"}}, True, "finished"), ({}, False, "not asked for")],
)
def test_what_can_not_be_rehearsed_is_left_out_with_the_reason(
    network: Subject, changes: dict[str, Any], wanted: bool, words: str
) -> None:
    plan = plan_liars(dataclasses.replace(network, **changes), (0,), wanted=wanted)
    section = liars(plan, [])
    assert not plan.study.cells()
    assert not section["schemes"]
    assert not section["findings"]
    assert words in section["left_out"][0]["why"]


def test_the_scheme_that_only_its_owner_profits_from_comes_first(network: Subject, cards: list[dict[str, Any]]) -> None:
    section = liars(plan_liars(network, (0, 1, 2), wanted=True), cards)
    first, second, last = section["findings"]
    assert first.startswith("Derived triggers: no liar's claim was believed")
    assert "holds before the wary judge in every seed" in first
    assert second.startswith("Adi2018: a liar's claim was believed against 95.0%")
    assert "your own claim holds there in 67% of the seeds" in second
    assert "your own claim does not hold there in any seed" in last
    assert [scheme["name"] for scheme in section["schemes"]] == list(SCHEMES)


def test_a_scheme_that_failed_is_left_out_with_its_reason(network: Subject, cards: list[dict[str, Any]]) -> None:
    plan = plan_liars(network, (0,), wanted=True)
    broken = next(cell for cell in plan.study.cells() if cell.arguments["scheme"] == "dawn")
    kept = [card for card in cards if card["arguments"]["scheme"] != "dawn"]
    section = liars(plan, kept, [Failure(cell=broken, reason="no disk")])
    assert section["left_out"][-1] == {"schemes": ["dawn"], "why": "failed: no disk"}
    assert len(section["schemes"]) == len(SCHEMES) - 1
