"""Transferable triggers on digits: who falls for them, who does not, and what they owe to the models and the seed."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch

from stealproof import catalog
from stealproof.attacks.false_claims.transferable_triggers import TransferableTriggers
from stealproof.claims import Claim, Decision, Verdict
from stealproof.errors import EvidenceError, InputError
from stealproof.inputs.data import open_data
from stealproof.models.mlp import Mlp
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.ownership.uchida2017 import Uchida2017
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.ownership import Ownership
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained

RECIPE = Recipe(epochs=30, batch=64)
UNPUBLISHED = {"derived_triggers", "uchida2017"}
LIAR = TransferableTriggers(triggers=60, radius=0.2, iterations=30)
QUICK = {"dataset_inference": {"regressor_images": 60, "images": 60, "starts": 3}, "zest": {"count": 16, "masks": 40}}


@functools.cache
def data() -> Dataset:
    return open_data("digits")


def networks(part: Part, seeds: range) -> list[torch.nn.Module]:
    return fit_many(Mlp(width=64), part, classes=data().classes, seeds=list(seeds), recipe=RECIPE)


@functools.cache
def references() -> list[torch.nn.Module]:
    return networks(data().train, range(6))


@functools.cache
def unseen() -> list[Trained]:
    """Models that the accuser never met, trained on rows that it never had."""
    return [
        Trained(model=model, domain=data().domain, classes=data().classes, card={})
        for model in networks(data().pool, range(50, 53))
    ]


def scheme_named(name: str) -> Ownership:
    made: Ownership = catalog.make(name, "ownership", **QUICK.get(name, {}))
    return made


@functools.cache
def forged(name: str) -> Claim:
    return LIAR.accuse(scheme_named(name), references(), data(), seed=3)


def verdicts(scheme: Ownership, claim: Claim) -> list[Verdict]:
    return [scheme.verify(claim, one.oracle(), model=one.model) for one in unseen()]


@pytest.mark.parametrize("name", ["adi2018", "margin_watermark", "dawn", "radioactive_data", "dataset_inference"])
def test_accuses_innocents_where_the_scheme_trusts_its_own_null(name: str) -> None:
    found = verdicts(scheme_named(name), forged(name))
    assert [verdict.decision for verdict in found] == [Decision.OWNED] * 3


@pytest.mark.parametrize("name", ["conferrable", "ipguard", "entangled_watermarks"])
def test_innocents_match_far_more_than_a_fair_claim_would_have_them(name: str) -> None:
    assert min(verdict.statistic for verdict in verdicts(scheme_named(name), forged(name))) >= 0.5


def test_an_inflated_unit_passes_the_published_threshold_of_zest() -> None:
    found = verdicts(scheme_named("zest"), forged("zest"))
    assert all(verdict.statistic > -1 for verdict in found)
    assert all(verdict.decision is Decision.INCONCLUSIVE for verdict in found)


def test_features_that_the_task_determines_are_everybodys() -> None:
    scheme = scheme_named("radioactive_data").make({"mode": "white-box"})
    claim = LIAR.accuse(scheme, references(), data(), seed=3)
    assert all(verdict.decision is Decision.OWNED for verdict in verdicts(scheme, claim))


def test_derived_labels_are_at_chance_whatever_the_inputs() -> None:
    shares = []
    for seed in range(5):
        claim = LIAR.accuse(DerivedTriggers(sequential=False), references(), data(), seed=seed)
        found = verdicts(DerivedTriggers(sequential=False), claim)
        assert all(verdict.decision is Decision.NOT_OWNED for verdict in found)
        shares += [verdict.statistic for verdict in found]
    assert abs(np.mean(shares) - 0.1) < 0.05


def test_derived_triggers_refuse_inputs_and_labels_of_choice() -> None:
    honest, chosen = forged("derived_triggers"), forged("adi2018")
    for swapped in (
        {"labels": chosen.secrets["labels"]},
        {name: chosen.secrets[name] for name in ("inputs", "labels")},
    ):
        claim = dataclasses.replace(honest, secrets={**honest.secrets, **swapped})
        with pytest.raises(EvidenceError, match="not those that follow from its commitment and beacon"):
            DerivedTriggers().verify(claim, unseen()[0].oracle())


@pytest.mark.parametrize("aim", ["untargeted", "targeted"])
def test_triggers_stay_near_true_images_and_carry_wrong_labels(aim: str) -> None:
    liar = TransferableTriggers.make({**LIAR.parameters(), "aim": aim})
    claim = liar.accuse(scheme_named("margin_watermark"), references(), data(), seed=1)
    inputs, train = claim.secrets["inputs"], data().train.x.numpy().astype(np.float32)
    data().domain.check(inputs)
    width = data().domain.high - data().domain.low
    nearest = [np.abs(train - one).reshape(len(train), -1).max(axis=1).min() for one in inputs]
    assert max(nearest) <= 0.2 * width * (1 + 1e-6)
    assert (claim.secrets["labels"] != claim.secrets["true"]).all()
    assert len(inputs) == 60


def test_entangled_watermarks_name_one_target_class_and_obey_those_given() -> None:
    scheme = scheme_named("entangled_watermarks").make({"source_class": 3, "target_class": 8})
    claim = LIAR.accuse(scheme, references(), data(), seed=1)
    assert set(claim.secrets["labels"].tolist()) == {8}
    truth = {row.tobytes(): int(label) for row, label in zip(data().train.x.numpy(), data().train.y, strict=True)}
    assert {truth[row.tobytes()] for row in claim.secrets["unmarked"]} == {3}


def test_networks_that_did_not_move_the_inputs_choose_them() -> None:
    scheme = scheme_named("adi2018")
    every = dataclasses.replace(LIAR, candidates=200, triggers=200).accuse(scheme, references(), data(), seed=3)
    chosen = dataclasses.replace(LIAR, candidates=200).accuse(scheme, references(), data(), seed=3)
    held_out = Trained(model=references()[-1], domain=data().domain, classes=data().classes, card={})

    def sure(claim: Claim) -> list[float]:
        shown = held_out.oracle().ask(claim.secrets["inputs"]).scores
        assert shown is not None
        return [float(row[label]) for row, label in zip(shown, claim.secrets["labels"], strict=True)]

    assert sorted(sure(chosen)) == pytest.approx(sorted(sure(every))[-60:])


def test_a_published_model_joins_the_ensemble() -> None:
    near = dataclasses.replace(LIAR, radius=0.05)
    scheme, victim = scheme_named("adi2018"), unseen()[0]
    blind, seeing = (near.accuse(scheme, references(), data(), target=one) for one in (None, victim.model))
    found = [scheme.verify(claim, victim.oracle()).statistic for claim in (blind, seeing)]
    assert found[1] > found[0]


def test_refuses_parameters_and_schemes_that_lead_nowhere() -> None:
    scheme = scheme_named("adi2018")
    cases: dict[str, float] = {
        "triggers": 0,
        "candidates": 10,
        "radius": 0.0,
        "step": -1.0,
        "iterations": 0,
        "held_out": 6,
    }
    for name, value in cases.items():
        with pytest.raises(InputError, match=f"{name} must be"):
            TransferableTriggers.make({**LIAR.parameters(), name: value}).accuse(scheme, references(), data())
    with pytest.raises(InputError, match="finds nothing to forge in a claim under uchida2017"):
        LIAR.accuse(Uchida2017(), references(), data())
