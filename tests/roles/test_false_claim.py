"""What a false claim owes whatever the scheme: references, a target that is somebody else's, data that fit."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest
import torch

from stealproof.claims import Claim
from stealproof.errors import InputError, InvalidData
from stealproof.ownership.adi2018 import Adi2018
from stealproof.roles.dataset import Dataset
from stealproof.roles.false_claim import FalseClaim, Framing
from stealproof.roles.ownership import Ownership, model_digest


@dataclass(frozen=True, kw_only=True)
class Liar(FalseClaim):
    needs: bool = False

    def needs_target(self, scheme: Ownership) -> bool:
        return self.needs

    def _accuse(self, framing: Framing) -> Claim:
        drawn = [int(framing.rng("a").integers(2**31)), int(torch.randint(2**31, (), generator=framing.generator("a")))]
        return framing.claim({"drawn": str(drawn), "own": framing.innocents.index(framing.model)})


def network(seed: int, classes: int = 10, inputs: int = 64) -> torch.nn.Module:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(inputs, classes))
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(torch.rand(weights.shape, generator=torch.Generator().manual_seed(seed)))
    return model.train()


def test_the_claim_names_the_scheme_and_the_accusers_own_model(digits: Dataset) -> None:
    references = [network(0), network(1)]
    scheme = Adi2018(triggers=7)
    claim = Liar().accuse(scheme, references, digits)
    assert claim.scheme == "adi2018"
    assert claim.parameters == scheme.parameters()
    assert claim.model_digest == model_digest(references[0])
    assert Liar().accuse(scheme, references, digits, model=references[1]).secrets["own"] == 1
    assert not any(model.training for model in references)


def test_choices_follow_from_the_seed_alone(digits: Dataset) -> None:
    one, same, other = (Liar().accuse(Adi2018(), [network(0)], digits, seed=seed).secrets for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_refuses_no_references_and_a_target_of_ones_own(digits: Dataset) -> None:
    with pytest.raises(InputError, match="needs at least 1 reference model of the accuser's, got none"):
        Liar().accuse(Adi2018(), [], digits)
    with pytest.raises(InputError, match="the framed model is one of the accuser's own"):
        Liar().accuse(Adi2018(), [network(0), network(1)], digits, target=network(1))
    with pytest.raises(InputError, match="under adi2018 for one published model; give it as target"):
        Liar(needs=True).accuse(Adi2018(), [network(0)], digits)
    assert Liar(needs=True).accuse(Adi2018(), [network(0)], digits, target=network(1)).secrets


def test_refuses_models_and_data_that_do_not_fit(digits: Dataset) -> None:
    with pytest.raises(InvalidData, match="expected models that answer digits with 10 logits, got \\(4,\\)"):
        Liar().accuse(Adi2018(), [network(0, classes=4)], digits)
    with pytest.raises(InvalidData, match=r"a model does not take inputs of shape \(1, 8, 8\)"):
        Liar().accuse(Adi2018(), [network(0, inputs=9)], digits)
    empty = dataclasses.replace(digits, parts={"train": digits.train.take(slice(0))})
    with pytest.raises(InvalidData, match="expected rows of the accuser's own in digits, got none"):
        Liar().accuse(Adi2018(), [network(0)], empty)
