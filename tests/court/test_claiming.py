from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from stealproof.court.checking import check_dossier
from stealproof.court.claiming import (
    claim_model,
    is_derived,
    opened_claim,
    plan_parameters,
    plan_triggers,
    terms_of,
)
from stealproof.court.drawing import plan_beacon
from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.dossier import Dossier
from stealproof.evidence.keys import new_key, open_private
from stealproof.models.mlp import Mlp
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.roles.dataset import Dataset
from stealproof.training.recipe import Recipe
from stealproof.training.trained import train


def opened(content: bytes) -> Dossier:
    return Dossier.from_bytes(content, what="it")


@pytest.mark.parametrize("kind", ["noise", "natural"])
def test_what_is_planned_is_what_training_derives(dispute: Any, digits: Dataset, kind: Any) -> None:
    plan = plan_triggers(DerivedTriggers(triggers=15, kind=kind), digits, dispute.key)
    plan = plan.stamped(dispute.tsa.stamp(plan.envelope))
    scheme = DerivedTriggers(**plan_parameters(plan, "derived_triggers"))
    assert scheme.triggers == 15
    trained = train(Mlp(width=8), digits, protections=[scheme], recipe=Recipe(epochs=1), seed=4)
    claim = scheme.claim(trained.model)
    assert claim.secrets["terms"] == terms_of(scheme, digits)
    made = opened(dispute.dossier(claim, plan=plan.to_bytes()))
    checks = check_dossier(made.to_bytes(), roots=dispute.tsa.roots, what="it")
    assert "follows from it" in checks["plan"]


def test_a_plan_tells_its_beacon_only_once_it_is_stamped(dispute: Any) -> None:
    bare = dataclasses.replace(dispute.plan, token=b"")
    with pytest.raises(EvidenceError, match="no timestamp"):
        plan_beacon(bare)
    with pytest.raises(EvidenceError, match="no timestamp"):
        plan_parameters(bare, "derived_triggers")
    with pytest.raises(InputError, match="not adi2018"):
        plan_parameters(dispute.plan, "adi2018")
    other = dispute.plan.stamped(dispute.tsa.stamp(dispute.plan.envelope))
    assert plan_beacon(other) != plan_beacon(dispute.plan)
    with pytest.raises(EvidenceError, match="dossier of a claim"):
        plan_parameters(opened(dispute.dossier(dispute.chosen)), "adi2018")


def test_a_claim_that_does_not_follow_from_its_plan_is_not_made(dispute: Any, digits: Dataset) -> None:
    planned, plan = dispute.planned, dispute.plan
    content = opened(dispute.dossier(planned, plan=plan.to_bytes())).content
    chosen = opened(dispute.dossier(dispute.chosen)).content
    other = plan_triggers(DerivedTriggers(triggers=19), digits, dispute.key)
    twin = plan_triggers(DerivedTriggers(triggers=20), digits, dispute.key)
    for given, shown, message in (
        (content, other, "other parameters"),
        (content, twin, "another commitment"),
        (content, dataclasses.replace(plan, token=b""), "no timestamp"),
        (content, opened(dispute.dossier(dispute.chosen)), "dossier of a claim"),
        (content, plan.closed(), "closed"),
        (chosen, plan, "follows from no plan"),
    ):
        with pytest.raises(EvidenceError, match=message):
            claim_model(given, dispute.model, dispute.key, plan=shown.to_bytes(), what="it")
    with pytest.raises(InputError, match="--plan"):
        claim_model(content, dispute.model, dispute.key, what="it")


def test_only_an_open_claim_can_be_opened(dispute: Any) -> None:
    content = dispute.dossier(dispute.chosen)
    assert opened_claim(content, what="it").scheme == "adi2018"
    assert not is_derived(opened_claim(content, what="it"))
    with pytest.raises(EvidenceError, match="closed"):
        opened_claim(opened(content).closed().to_bytes(), what="it")
    with pytest.raises(EvidenceError, match="the plan of one"):
        opened_claim(dispute.plan.to_bytes(), what="it")


def test_a_dossier_is_checked_without_a_suspect(dispute: Any, tmp_path: Any) -> None:
    content = dispute.dossier(dispute.chosen)
    checks = check_dossier(content, roots=dispute.tsa.roots, accuser=dispute.key.public, what="it")
    assert "as expected" in checks["signer"]
    assert "UTC by CN=timestamps of the tests" in checks["timestamp"]
    assert "committed to" in checks["commitment"]
    assert "plan" not in checks
    assert "not checked" in check_dossier(content, what="it")["timestamp"]
    assert check_dossier(dispute.dossier(dispute.chosen, stamped=False), what="it")["timestamp"] == "none"
    assert "closed" in check_dossier(opened(content).closed().to_bytes(), what="it")["commitment"]
    assert "committed to" in check_dossier(dispute.plan.to_bytes(), what="it")["commitment"]
    new_key(tmp_path / "other")
    with pytest.raises(EvidenceError, match="expected"):
        check_dossier(content, accuser=open_private(tmp_path / "other").public, what="it")


def test_a_dossier_whose_beacon_is_not_the_plans_does_not_check_out(dispute: Any) -> None:
    other = dispute.plan.stamped(dispute.tsa.stamp(dispute.plan.envelope))
    with pytest.raises(EvidenceError, match="another beacon"):
        check_dossier(dispute.dossier(dispute.planned, plan=other.to_bytes()), what="it")
