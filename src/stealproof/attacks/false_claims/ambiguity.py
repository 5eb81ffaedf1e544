"""Ambiguity: a second claim to a model that somebody else published, made after the fact from the model itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from stealproof import seeds
from stealproof.attacks.false_claims._craft import Craft, check_moves
from stealproof.attacks.false_claims._forged_secrets import forged_secrets
from stealproof.claims import Claim
from stealproof.ownership.dataset_inference import DatasetInference
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.ownership.radioactive_data import RadioactiveData
from stealproof.roles.false_claim import ACCUSER, FalseClaim, Framing
from stealproof.roles.ownership import Fingerprint, Ownership
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class Ambiguity(FalseClaim):
    """Find inputs to which the published model already answers as one likes, and say that it was taught to.

    A fingerprint is simply enrolled, as its owner would: whoever has a model can describe it. Nothing in such a claim
    is wrong but its date, so that only precedence tells it from the owner's.
    """

    source = Source(
        authors="Fan, Ng, Chan",
        title="Rethinking Deep Neural Network Ownership Verification: Embedding Passports to Defeat Ambiguity Attacks",
        venue="NeurIPS",
        year=2019,
        url="https://arxiv.org/abs/1909.07830",
    )
    departure = (
        "the paper forges trigger sets and the keys of marks in weights; here every scheme's claim is forged, and"
        " uchida2017's can't be solved for, since its projections follow from one number (see key_grinding)"
    )

    triggers: int = 100
    """Inputs of the forged trigger set; at least 1."""
    candidates: int = 200
    """Training inputs that are moved, fewer if there are fewer; at least ``triggers``."""
    radius: float = 16 / 255
    """Largest change of a value, as a share of the domain's width; above 0."""
    step: float = 0.01
    """How far one step moves each value, of the same unit; above 0."""
    iterations: int = 40
    """Steps; at least 1."""

    def fits(self, scheme: Ownership) -> bool:
        """Not where labels or projections are expanded from a digest or a number, so that nothing can be solved."""
        known = isinstance(scheme, Fingerprint | RadioactiveData) or not scheme.opens_model()
        return known and not isinstance(scheme, DerivedTriggers)

    def needs_target(self, scheme: Ownership) -> bool:
        """Always: the claim is made from the framed model."""
        return True

    def check(self) -> None:
        """Refuse parameters with which nothing could be crafted."""
        check_moves(self)

    def _accuse(self, framing: Framing) -> Claim:
        assert framing.target is not None
        scheme = framing.scheme
        craft = Craft(
            framing=framing,
            own=framing.target,
            models=[framing.target],
            held_out=[],
            triggers=self.triggers,
            candidates=self.candidates,
            radius=self.radius,
            step=self.step,
            iterations=self.iterations,
        )
        if isinstance(scheme, Fingerprint) and not isinstance(scheme, DatasetInference):
            seed = seeds.derive(framing.seed, ACCUSER, "enrolment")
            claim = scheme.enroll(framing.target, framing.data, seed=seed, progress=framing.progress)
            return dataclasses.replace(claim, parameters=scheme.parameters())
        return framing.claim(forged_secrets(craft, targeted=True), model=framing.target)
