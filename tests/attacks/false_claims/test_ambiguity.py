"""Ambiguity on digits: a claim made after the fact holds against the published model, not against others."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from stealproof import catalog
from stealproof.attacks.false_claims.ambiguity import Ambiguity
from stealproof.claims import Claim, Decision
from stealproof.errors import InputError
from stealproof.inputs.data import open_data
from stealproof.models.mlp import Mlp
from stealproof.roles.dataset import Dataset
from stealproof.roles.ownership import Ownership, model_digest
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained

RECIPE = Recipe(epochs=30, batch=64)
LIAR = Ambiguity(triggers=60, radius=0.3, step=0.02)
QUICK = {"dataset_inference": {"regressor_images": 60, "images": 60, "starts": 3}}


@functools.cache
def data() -> Dataset:
    return open_data("digits")


@functools.cache
def published() -> Trained:
    """Somebody else's model."""
    (model,) = fit_many(Mlp(width=64), data().pool, classes=data().classes, seeds=[9], recipe=RECIPE)
    return Trained(model=model, domain=data().domain, classes=data().classes, card={})


@functools.cache
def own() -> list[torch.nn.Module]:
    return fit_many(Mlp(width=64), data().train, classes=data().classes, seeds=[0], recipe=RECIPE)


def scheme_named(name: str) -> Ownership:
    made: Ownership = catalog.make(name, "ownership", **QUICK.get(name, {}))
    return made


def accuse(scheme: Ownership, *, seed: int = 0) -> Claim:
    return LIAR.accuse(scheme, own(), data(), target=published().model, seed=seed)


@pytest.mark.parametrize("name", ["adi2018", "dawn", "margin_watermark", "dataset_inference", "radioactive_data"])
def test_claims_the_published_model(name: str) -> None:
    scheme = scheme_named(name)
    claim = accuse(scheme)
    assert claim.model_digest == model_digest(published().model)
    assert scheme.verify(claim, published().oracle(), model=published().model).decision is Decision.OWNED


def test_a_mark_in_weights_is_claimed_by_directions_that_are_made_for_them() -> None:
    scheme = scheme_named("radioactive_data").make({"mode": "white-box"})
    verdict = scheme.verify(accuse(scheme), published().oracle(), model=published().model)
    assert verdict.decision is Decision.OWNED
    assert verdict.statistic > 0.9


@pytest.mark.parametrize("name", ["ipguard", "entangled_watermarks"])
def test_the_published_model_bears_out_nearly_every_trigger(name: str) -> None:
    scheme = scheme_named(name)
    assert scheme.verify(accuse(scheme), published().oracle()).statistic > 0.9


def test_labels_are_drawn_not_taken_from_the_model() -> None:
    labels = accuse(scheme_named("adi2018")).secrets["labels"]
    counts = np.bincount(labels, minlength=10)
    assert counts.min() > 0
    assert counts.max() < 20


@pytest.mark.parametrize("name", ["uchida2017", "derived_triggers"])
def test_finds_nothing_to_solve_where_all_follows_from_one_secret(name: str) -> None:
    with pytest.raises(InputError, match=f"ambiguity finds nothing to forge in a claim under {name}"):
        accuse(scheme_named(name))


def test_needs_the_published_model() -> None:
    with pytest.raises(InputError, match="for one published model; give it as target"):
        LIAR.accuse(scheme_named("adi2018"), own(), data())
