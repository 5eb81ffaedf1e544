"""What every ownership scheme in the catalog owes: a claim that can be kept, and one footing for every verdict."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stealproof import catalog
from stealproof.claims import Claim, Decision
from stealproof.errors import AccessDenied, EvidenceError
from stealproof.inputs.claim import open_claim, save_claim
from stealproof.inputs.data import open_data
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer
from stealproof.oracles.guarded import GuardedOracle
from stealproof.roles.dataset import Dataset
from stealproof.roles.guard import Guard
from stealproof.roles.ownership import Fingerprint, Ownership
from stealproof.roles.training_defense import TrainingDefense
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

NAMES = catalog.names("ownership")
RECIPE = Recipe(epochs=30, batch=64)
FAMILY = Mlp(width=64)
KEY = "5a" * 32
SMALL = {"least": 3}
"""Parameters, where a scheme has them, for images of 8x8, on which fewer inputs do than on real ones."""


@functools.cache
def data() -> Dataset:
    return open_data("digits")


@functools.cache
def plain(seed: int = 0) -> Trained:
    return train(FAMILY, data(), recipe=RECIPE, seed=seed)


def make(name: str) -> Ownership:
    kind = catalog.load(name, "ownership")
    scheme: Ownership = kind.make({key: value for key, value in SMALL.items() if key in kind.make().parameters()})
    return scheme


def owned(name: str, seed: int = 0) -> tuple[Trained, Claim, Trained]:
    """The owner's model, the claim to it, and a model that bears the mark."""
    scheme: Any = make(name)
    if isinstance(scheme, TrainingDefense):
        watermark: Any = scheme
        trained = train(FAMILY, data(), recipe=RECIPE, protections=[watermark], seed=seed)
        return trained, watermark.claim(trained.model), trained
    if isinstance(scheme, Guard):
        # Half of the queries are marked: a surrogate on so few of them would learn too few marks.
        guard: Any = scheme.make({**scheme.parameters(), "rate": 0.5})
        guard.use_key(KEY)
        answers = GuardedOracle(plain().oracle(), [guard]).ask(data().pool.x).predicted
        import torch

        part = dataclasses.replace(data().pool, y=torch.as_tensor(answers))
        copy = fit(FAMILY, part, classes=data().classes, recipe=dataclasses.replace(RECIPE, epochs=100), seed=seed)
        surrogate = Trained(model=copy, domain=data().domain, classes=data().classes, card={})
        return plain(), guard.claim(plain().model), surrogate
    assert isinstance(scheme, Fingerprint)
    return plain(), scheme.enroll(plain().model, data(), seed=seed), plain()


@functools.cache
def case(name: str) -> tuple[Trained, Claim, Trained]:
    return owned(name)


def remade(name: str, claim: Claim) -> Ownership:
    """The scheme with the parameters of the claim, as a judge makes it."""
    scheme: Ownership = catalog.make(name, "ownership", **claim.parameters)
    return scheme


@pytest.mark.parametrize("name", NAMES)
class TestEveryOwnership:
    def test_says_its_null_hypothesis_in_words(self, name: str) -> None:
        scheme = make(name)
        assert len(scheme.null) > 30
        assert scheme.accepts

    def test_its_claim_names_scheme_parameters_and_model(self, name: str) -> None:
        _, claim, _ = case(name)
        assert claim.scheme == name
        assert remade(name, claim).parameters() == claim.parameters
        assert len(claim.model_digest) == 64
        assert claim.secrets

    def test_a_claim_is_kept_and_opened_as_it_was(self, name: str, tmp_path: Path) -> None:
        _, claim, marked = case(name)
        opened = open_claim(save_claim(claim, tmp_path / "mine.claim"))
        assert opened.secrets.keys() == claim.secrets.keys()
        for key, value in claim.secrets.items():
            np.testing.assert_array_equal(opened.secrets[key], value, err_msg=key)
        scheme = remade(name, claim)
        before = scheme.verify(claim, marked.oracle(), model=marked.model)
        assert remade(name, opened).verify(opened, marked.oracle(), model=marked.model) == before

    def test_what_it_asks_is_legal_and_never_the_same_twice(self, name: str) -> None:
        _, claim, _ = case(name)
        inputs = claim.secrets.get("inputs")
        if inputs is None:
            return
        assert inputs.dtype == np.float32
        data().domain.check(inputs)
        assert len(np.unique(inputs.reshape(len(inputs), -1), axis=0)) == len(inputs)

    def test_the_same_seed_makes_the_same_claim_and_another_one_another(self, name: str) -> None:
        _, claim, _ = case(name)
        _, again, _ = owned(name)
        _, other, _ = owned(name, seed=1)
        for key, value in claim.secrets.items():
            np.testing.assert_array_equal(again.secrets[key], value, err_msg=key)
        # What marks answers alone draws nothing by the seed: its key is the test's.
        if not issubclass(catalog.load(name, "ownership"), Guard) or issubclass(
            catalog.load(name, "ownership"), TrainingDefense
        ):
            assert any(not np.array_equal(other.secrets[key], value) for key, value in claim.secrets.items())

    def test_the_marked_model_stands_out_from_independent_ones(self, name: str) -> None:
        _, claim, marked = case(name)
        scheme = remade(name, claim)
        found = scheme.verify(claim, marked.oracle(), model=marked.model, level=1e-3)
        independent = [
            Trained(
                model=fit(FAMILY, data().pool, classes=data().classes, recipe=RECIPE, seed=seed),
                domain=data().domain,
                classes=data().classes,
                card={},
            )
            for seed in (11, 12, 13)
        ]
        theirs = [scheme.verify(claim, one.oracle(), model=one.model, level=1e-3) for one in independent]
        assert found.queries > 0 or scheme.opens_model()
        assert 0 <= found.p_value <= 1
        assert found.reasons
        assert found.null == scheme.null
        assert found.statistic > max(verdict.statistic for verdict in theirs)
        assert not any(verdict.decision is Decision.OWNED for verdict in theirs)
        if not scheme.exact:
            assert found.decision is Decision.INCONCLUSIVE
            assert "control models" in found.reasons[-1]

    def test_controls_convict_where_the_scheme_has_no_null_of_its_own(self, name: str) -> None:
        _, claim, marked = case(name)
        scheme = remade(name, claim)
        if scheme.exact:
            return
        controls = [
            fit(FAMILY, data().pool, classes=data().classes, recipe=RECIPE, seed=seed) for seed in range(20, 39)
        ]
        oracles = [dataclasses.replace(plain(), model=control).oracle() for control in controls]
        calibration = scheme.calibrate(claim, oracles, models=controls, level=0.05)
        verdict = scheme.verify(claim, marked.oracle(), model=marked.model, level=0.05, calibration=calibration)
        assert verdict.decision is Decision.OWNED
        assert verdict.p_value == pytest.approx(0.05)
        assert len(verdict.controls) == 19

    def test_labels_alone_are_enough_or_refused_with_a_sentence(self, name: str) -> None:
        _, claim, marked = case(name)
        scheme = remade(name, claim)
        oracle = marked.oracle(Access(answer=Answer.LABELS))
        if Answer.LABELS in scheme.accepts:
            assert scheme.verify(claim, oracle, model=marked.model).reasons
        else:
            with pytest.raises(AccessDenied, match="from the suspect, which gives labels"):
                scheme.verify(claim, oracle, model=marked.model)

    def test_refuses_a_claim_without_its_secrets_or_of_another_scheme(self, name: str) -> None:
        _, claim, marked = case(name)
        scheme = remade(name, claim)
        for wrong in (dataclasses.replace(claim, scheme="another"), dataclasses.replace(claim, secrets={})):
            with pytest.raises(EvidenceError):
                scheme.verify(wrong, marked.oracle(), model=marked.model)
