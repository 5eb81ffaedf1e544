"""What every false-claim attack owes: a claim that a judge can test, the same for a seed, or a sentence why not."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch

from stealproof import catalog
from stealproof.claims import Claim, Verdict
from stealproof.errors import InputError
from stealproof.inputs.claim import open_claim, save_claim
from stealproof.inputs.data import open_data
from stealproof.models.mlp import Mlp
from stealproof.roles.dataset import Dataset
from stealproof.roles.false_claim import FalseClaim
from stealproof.roles.ownership import Ownership
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained

ATTACKS = catalog.names("false_claim")
SCHEMES = catalog.names("ownership")
QUICK: dict[str, float] = {
    "attempts": 3,
    "queries": 2000,
    "iterations": 10,
    "triggers": 20,
    "candidates": 100,
    "radius": 0.2,
}
"""Parameters, where an attack has them."""
SMALL: dict[str, dict[str, float]] = {
    "conferrable": {"surrogates": 2, "references": 2, "candidates": 60, "count": 20, "least": 1, "conferrability": 0.5},
    "dataset_inference": {"regressor_images": 30, "images": 30, "starts": 2},
    "dawn": {"rate": 0.1},
    "derived_triggers": {"rate": 0.1},
    "ipguard": {"count": 20},
    "zest": {"count": 20, "masks": 20, "references": 2},
}
"""Parameters of schemes for quick tests on images of 8x8."""


def scheme_named(name: str) -> Ownership:
    made: Ownership = catalog.make(name, "ownership", **SMALL.get(name, {}))
    return made


def liar_named(name: str) -> FalseClaim:
    kind = catalog.load(name, "false_claim")
    liar: FalseClaim = kind.make({key: value for key, value in QUICK.items() if key in kind.make().parameters()})
    return liar


@functools.cache
def data() -> Dataset:
    return open_data("digits")


@functools.cache
def networks() -> list[Trained]:
    """Two of the accuser's own, and one of somebody else's."""
    models = fit_many(
        Mlp(width=32),
        [data().train, data().train, data().pool],
        classes=data().classes,
        seeds=[0, 1, 9],
        recipe=Recipe(epochs=20, batch=64),
    )
    return [Trained(model=model, domain=data().domain, classes=data().classes, card={}) for model in models]


def scheme_for(attack: str) -> Ownership:
    """One under which the attack has something to forge."""
    liar = liar_named(attack)
    return next(scheme for scheme in map(scheme_named, ("dawn", *SCHEMES)) if liar.fits(scheme))


def accuse(attack: str, scheme: Ownership, *, seed: int = 0) -> Claim:
    liar = liar_named(attack)
    *own, somebody = (one.model for one in networks())
    target = somebody if liar.needs_target(scheme) else None
    return liar.accuse(scheme, own, data(), target=target, seed=seed)


def judged(scheme: Ownership, claim: Claim) -> Verdict:
    remade: Ownership = catalog.make(claim.scheme, "ownership", **claim.parameters)
    return remade.verify(claim, networks()[-1].oracle(), model=networks()[-1].model)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("attack", ATTACKS)
def test_forges_a_claim_that_can_be_tested_or_says_why_not(attack: str, name: str, tmp_path: Path) -> None:
    scheme = scheme_named(name)
    liar = liar_named(attack)
    if not liar.fits(scheme):
        with pytest.raises(InputError, match=f"{attack} finds nothing to forge in a claim under {name}"):
            accuse(attack, scheme)
        return
    before = torch.get_rng_state()
    claim = accuse(attack, scheme)
    assert torch.equal(before, torch.get_rng_state())
    assert claim.scheme == name
    assert len(claim.model_digest) == 64
    verdict = judged(scheme, claim)
    assert 0 <= verdict.p_value <= 1
    opened = open_claim(save_claim(claim, tmp_path / "false.claim"))
    assert judged(scheme, opened) == verdict
    inputs = claim.secrets.get("inputs")
    if inputs is not None:
        assert inputs.dtype == np.float32
        data().domain.check(inputs)
    again = accuse(attack, scheme)
    assert again.secrets.keys() == claim.secrets.keys()
    for key, value in claim.secrets.items():
        np.testing.assert_array_equal(again.secrets[key], value, err_msg=key)


@pytest.mark.parametrize("attack", ATTACKS)
def test_frames_a_model_of_tables_in_double_precision(attack: str) -> None:
    iris = open_data("iris")
    recipe = Recipe(epochs=30, batch=16, precision="float64")
    own = fit_many(Mlp(width=8), iris.train, classes=iris.classes, seeds=[0, 1], recipe=recipe)
    (somebodys,) = fit_many(Mlp(width=8), iris.pool, classes=iris.classes, seeds=[9], recipe=recipe)
    # No more triggers than there are rows.
    liar, scheme = liar_named(attack), catalog.make("derived_triggers", "ownership", triggers=50)
    if not liar.fits(scheme):
        scheme = catalog.make("adi2018", "ownership", triggers=50)
    claim = liar.accuse(scheme, own, iris, target=somebodys)
    suspect = Trained(model=somebodys, domain=iris.domain, classes=iris.classes, card={})
    assert scheme.verify(claim, suspect.oracle()).queries > 0


@pytest.mark.parametrize("attack", ATTACKS)
def test_another_seed_makes_another_claim(attack: str) -> None:
    scheme = scheme_for(attack)
    one, other = (accuse(attack, scheme, seed=seed).secrets["inputs"] for seed in (1, 2))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("attack", ATTACKS)
def test_parameters_out_of_range_are_named(attack: str) -> None:
    scheme = scheme_for(attack)
    *own, somebody = (one.model for one in networks())
    numbers = [key for key, value in catalog.make(attack, "false_claim").parameters().items() if type(value) is not str]
    for key in numbers:
        liar: FalseClaim = catalog.make(attack, "false_claim", **{key: -1})
        with pytest.raises(InputError, match=f"{key} must "):
            liar.accuse(scheme, own, data(), target=somebody)
