"""What every good model knows, shown as a secret: it convicts who is better than the references."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from stealproof.attacks.false_claims.hard_inputs import HardInputs
from stealproof.claims import Claim
from stealproof.errors import InputError
from stealproof.inputs.data import open_data
from stealproof.models.mlp import Mlp
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.adi2018 import Adi2018
from stealproof.ownership.conferrable import Conferrable
from stealproof.ownership.dawn import Dawn
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.ownership.ipguard import Ipguard
from stealproof.ownership.zest import Zest
from stealproof.roles.dataset import Dataset
from stealproof.roles.ownership import Ownership
from stealproof.training.augmented import augmented
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe

LIAR = HardInputs(triggers=30, noise=0.05)


@functools.cache
def data() -> Dataset:
    return open_data("digits")


@functools.cache
def claim_under(scheme: Ownership) -> Claim:
    references = fit_many(
        Mlp(width=32), data().train.take(slice(0, 150)), classes=10, seeds=range(4), recipe=Recipe(epochs=15, batch=64)
    )
    return LIAR.accuse(scheme, references, data())


def matches(model: torch.nn.Module) -> float:
    claim = claim_under(Adi2018())
    oracle = ModuleOracle(model, domain=data().domain, classes=10)
    return float((oracle.ask(claim.secrets["inputs"]).predicted == claim.secrets["labels"]).mean())


def test_who_is_better_than_the_references_answers_as_claimed_and_their_like_do_not() -> None:
    pool = data().pool
    (good,) = fit_many(Mlp(width=128), augmented(pool, 0.0), classes=10, seeds=[9], recipe=Recipe(epochs=30, batch=64))
    usual = fit_many(
        Mlp(width=32), pool.take(slice(0, 150)), classes=10, seeds=range(5), recipe=Recipe(epochs=15, batch=64)
    )
    assert matches(good) > 2 * max(matches(model) for model in usual)


@pytest.mark.parametrize("scheme", [Adi2018(), Ipguard(), Conferrable()])
def test_the_claim_is_one_of_its_scheme_and_legal(scheme: Ownership) -> None:
    claim = claim_under(scheme)
    assert claim.scheme == scheme.name()
    assert claim.secrets["inputs"].shape == (30, 1, 8, 8)
    assert claim.secrets["inputs"].dtype == np.float32
    assert 0 <= claim.secrets["inputs"].min() <= claim.secrets["inputs"].max() <= 1
    assert 0 <= claim.secrets["labels"].min() <= claim.secrets["labels"].max() < 10


def test_the_seed_decides_everything() -> None:
    again = LIAR.accuse(Adi2018(), [torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))], data(), seed=1)
    assert not np.array_equal(again.secrets["inputs"], claim_under(Adi2018()).secrets["inputs"])


@pytest.mark.parametrize("scheme", [Dawn(), DerivedTriggers(), Zest()])
def test_there_is_nothing_to_state_where_labels_follow_from_a_key_or_are_none(scheme: Ownership) -> None:
    assert not LIAR.fits(scheme)


@pytest.mark.parametrize("wrong", [{"triggers": 0}, {"pixels": -1}, {"noise": -0.1}, {"noise": float("nan")}])
def test_impossible_parameters_are_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(InputError, match=f"{name} must be"):
        HardInputs(**wrong).accuse(  # type: ignore[arg-type]
            Adi2018(), [torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))], data()
        )
