"""Conferrable examples: legal, reproducible, agreed on by copies that the owner never trained; too few is an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stealproof.claims import Claim, Decision
from stealproof.errors import InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Domain
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.conferrable import Conferrable
from stealproof.roles.dataset import Dataset
from stealproof.roles.ownership import model_digest
from stealproof.training.trained import Trained

SMALL = Conferrable(surrogates=4, references=4, candidates=200)


@pytest.fixture(scope="module")
def claim(digits: Dataset, digits_victim: Trained) -> Claim:
    return SMALL.enroll(digits_victim.model, digits, seed=1)


def test_inputs_are_legal_float32_and_labelled_by_the_model(
    claim: Claim, digits: Dataset, digits_victim: Trained
) -> None:
    inputs = claim.secrets["inputs"]
    assert inputs.dtype == np.float32
    assert inputs.min() >= digits.domain.low
    assert inputs.max() <= digits.domain.high
    assert 10 <= len(inputs) == claim.secrets["conferrable"] < claim.secrets["candidates"] == 200
    np.testing.assert_array_equal(digits_victim.oracle().ask(inputs).predicted, claim.secrets["labels"])
    # Nearest training input in the largest change of a value: that is where each one came from.
    train = digits.train.x.numpy().reshape(len(digits.train), -1)
    moved = np.abs(inputs.reshape(len(inputs), 1, -1) - train).max(axis=2).min(axis=1)
    width = digits.domain.high - digits.domain.low
    assert moved.max() <= SMALL.epsilon * width + 1e-6
    assert moved.min() > 0


def test_copies_that_the_owner_never_trained_agree_more_than_innocent_models(claim: Claim, line_up: Any) -> None:
    assert line_up.separation(SMALL, claim) >= 0.9
    assert line_up.separation(SMALL, claim, Access(answer=Answer.LABELS)) >= 0.9


def test_a_copy_is_owned_where_enough_controls_are_not(claim: Claim, line_up: Any) -> None:
    controls = SMALL.calibrate(claim, line_up.oracles(line_up.innocent))
    found = SMALL.verify(claim, line_up.oracles(line_up.stolen)[0], level=0.2, calibration=controls)
    assert found.decision is Decision.OWNED
    assert found.p_value == pytest.approx(1 / 5)
    assert found.published_threshold == 0.75
    assert found.queries == len(claim.secrets["inputs"]) + min(16, len(claim.secrets["inputs"]))
    alone = SMALL.verify(claim, line_up.oracles(line_up.stolen)[0], level=1e-3, calibration=controls)
    assert alone.decision is Decision.INCONCLUSIVE
    assert "at least 999 independent control models, got 4" in " ".join(alone.reasons)


def test_the_same_seed_makes_the_same_claim_and_leaves_the_model_alone(
    claim: Claim, digits: Dataset, digits_victim: Trained
) -> None:
    before = model_digest(digits_victim.model)
    again = SMALL.enroll(digits_victim.model, digits, seed=1)
    assert model_digest(digits_victim.model) == before == claim.model_digest
    assert all(weight.requires_grad for weight in digits_victim.model.parameters())
    for name in ("inputs", "labels"):
        assert again.secrets[name].tobytes() == claim.secrets[name].tobytes()


def test_too_few_conferrable_inputs_are_an_error(digits: Dataset, digits_victim: Trained) -> None:
    hardly = Conferrable(surrogates=1, references=1, candidates=20, iterations=1)
    with pytest.raises(InputError, match=r"only \d of 20 inputs became conferrable, expected at least 10; raise eps"):
        hardly.enroll(digits_victim.model, digits)


def test_a_network_is_never_left_with_an_empty_ensemble() -> None:
    models = [torch.nn.Identity() for _ in range(3)]
    generator = torch.Generator().manual_seed(0)
    sizes = [len(Conferrable(dropout=0.9)._present(models, generator)) for _ in range(100)]
    assert set(sizes) >= {1, 2}
    assert min(sizes) == 1
    assert len(Conferrable(dropout=0.0)._present(models, generator)) == 3


def test_refuses_a_suspect_of_another_shape(claim: Claim) -> None:
    other = ModuleOracle(
        Mlp(width=8).build((4,), 10, torch.Generator().manual_seed(0)), domain=Domain(shape=(4,)), classes=10
    )
    with pytest.raises(InvalidData, match="inputs have shape"):
        SMALL.verify(claim, other)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"surrogates": 0}, "surrogates must be at least 1, got 0"),
        ({"held_out": -1}, "held_out must be at least 0, got -1"),
        ({"candidates": 5}, r"candidates must be at least 10 \(least\), got 5"),
        ({"share": 0.0}, "share must be above 0 and at most 1, got 0"),
        ({"conferrability": 1.5}, "conferrability must be above 0 and at most 1, got 1.5"),
        ({"epsilon": 0.0}, "epsilon and learning_rate above 0, got 0.0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1"),
        ({"beta": -1.0}, "alpha, beta and gamma must be 0 or more"),
        ({"candidates": 10_000}, "starts from 10000 different inputs"),
    ],
)
def test_refuses_senseless_parameters(
    parameters: dict[str, float], words: str, digits: Dataset, digits_victim: Trained
) -> None:
    with pytest.raises(InputError, match=words):
        Conferrable.make(parameters).enroll(digits_victim.model, digits)
