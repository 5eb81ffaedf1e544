"""IPGuard: inputs end where the method says, are legal, are the same every time, and copies agree on them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from stealproof.claims import Claim, Decision
from stealproof.errors import EvidenceError, InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Domain
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.ipguard import Ipguard
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.trained import Trained


@pytest.fixture(scope="module")
def claim(digits: Dataset, digits_victim: Trained) -> Claim:
    return Ipguard(count=60).enroll(digits_victim.model, digits, seed=1)


def logits(trained: Trained, claim: Claim) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = trained.model(torch.as_tensor(claim.secrets["inputs"]))
        return found


def test_inputs_lie_just_across_the_boundary_in_float32(claim: Claim, digits: Dataset, digits_victim: Trained) -> None:
    inputs = claim.secrets["inputs"]
    assert inputs.dtype == np.float32
    assert inputs.min() >= digits.domain.low
    assert inputs.max() <= digits.domain.high
    ordered = logits(digits_victim, claim).sort(dim=1, descending=True).values
    np.testing.assert_array_equal(logits(digits_victim, claim).argmax(dim=1), claim.secrets["labels"])
    lead = (ordered[:, 0] - ordered[:, 1]).numpy()
    assert claim.secrets["arrived"] >= 55
    assert (lead > 0.99).sum() >= 55
    assert np.median(lead) < 1.5


def test_random_targets_reach_more_than_the_last_choice(digits: Dataset, digits_victim: Trained) -> None:
    claim = Ipguard(count=30, target="random").enroll(digits_victim.model, digits, seed=1)
    other = Ipguard(count=30).enroll(digits_victim.model, digits, seed=1)
    assert claim.secrets["arrived"] >= 25
    assert (claim.secrets["labels"] != other.secrets["labels"]).any()


def test_the_same_seed_makes_the_same_claim_and_leaves_the_model_alone(
    claim: Claim, digits: Dataset, digits_victim: Trained
) -> None:
    again = Ipguard(count=60).enroll(digits_victim.model, digits, seed=1)
    assert again.model_digest == claim.model_digest
    np.testing.assert_array_equal(again.secrets["inputs"], claim.secrets["inputs"])
    np.testing.assert_array_equal(again.secrets["labels"], claim.secrets["labels"])
    other = Ipguard(count=60).enroll(digits_victim.model, digits, seed=2)
    assert not np.array_equal(other.secrets["inputs"], claim.secrets["inputs"])


def test_a_modified_copy_agrees_more_than_any_innocent_model(claim: Claim, line_up: Any) -> None:
    stolen, innocent = line_up.statistics(Ipguard(), claim)
    assert stolen.statistics[-1] > max(innocent.statistics)


def test_the_victim_is_owned_and_an_innocent_model_is_not(claim: Claim, line_up: Any, digits_victim: Trained) -> None:
    labels = Access(answer=Answer.LABELS)
    controls = Ipguard().calibrate(claim, line_up.oracles(line_up.innocent[1:], labels))
    found = Ipguard().verify(claim, digits_victim.oracle(labels), level=0.25, calibration=controls)
    assert found.decision is Decision.OWNED
    assert found.statistic == 1
    assert found.queries == 60 + 16
    assert "agrees with the claimed model on 60 of 60 inputs" in " ".join(found.reasons)
    (innocent,) = line_up.oracles(line_up.innocent[:1], labels)
    assert Ipguard().verify(claim, innocent, level=0.25, calibration=controls).decision is not Decision.OWNED
    assert Ipguard().verify(claim, digits_victim.oracle(), level=0.25).decision is Decision.INCONCLUSIVE


def test_categorical_columns_are_not_moved() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(200, 6, generator=generator)
    x[:, 2] = (x[:, 2] > 0.5).float()
    domain = Domain(shape=(6,), levels={2: (0.0, 1.0)})
    parts = {"train": Part(x=x, y=(x[:, 0] > x[:, 1]).long())}
    model = Mlp(width=16).build((6,), 2, generator)
    claim = Ipguard(count=20).enroll(model, Dataset(name="table", classes=2, domain=domain, parts=parts))
    assert set(np.unique(claim.secrets["inputs"][:, 2])) <= {0.0, 1.0}
    assert claim.secrets["inputs"].max() <= 1


def test_refuses_other_shapes_and_claims_that_do_not_fit(claim: Claim, digits_victim: Trained) -> None:
    other = ModuleOracle(
        Mlp(width=8).build((4,), 10, torch.Generator().manual_seed(0)), domain=Domain(shape=(4,)), classes=10
    )
    with pytest.raises(InvalidData, match="inputs have shape"):
        Ipguard().verify(claim, other)
    torn = dataclasses.replace(claim, secrets=dict(claim.secrets) | {"labels": claim.secrets["labels"][:3]})
    with pytest.raises(EvidenceError, match=r"one label for each of the claim's 60 inputs, got \(3,\)"):
        Ipguard().verify(torn, digits_victim.oracle())


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"k": -1.0}, "k must be at least 0, got -1"),
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"count": 10_000}, "starts from 10000 different inputs"),
    ],
)
def test_refuses_senseless_parameters(
    parameters: dict[str, float], words: str, digits: Dataset, digits_victim: Trained
) -> None:
    with pytest.raises(InputError, match=words):
        Ipguard.make(parameters).enroll(digits_victim.model, digits)
