"""Transferable triggers: a trigger set of adversarial examples, to which unseen models answer as the accuser says."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from stealproof import seeds
from stealproof.attacks.false_claims._craft import Craft, check_moves
from stealproof.attacks.false_claims._forged_secrets import forged_secrets
from stealproof.claims import Claim
from stealproof.errors import InputError
from stealproof.ownership.dataset_inference import DatasetInference
from stealproof.ownership.dawn import Dawn
from stealproof.ownership.radioactive_data import RadioactiveData
from stealproof.ownership.zest import Zest
from stealproof.roles.false_claim import ACCUSER, FalseClaim, Framing
from stealproof.roles.ownership import Ownership
from stealproof.system import Source

INFLATED = 10.0
"""Factor of the distance that a liar calls usual between independent models, under Zest."""


@dataclass(frozen=True, kw_only=True)
class TransferableTriggers(FalseClaim):
    """Move inputs by the sign of the gradient of the summed losses of several networks, until all agree on them.

    The accuser's own model and its references are one ensemble, which a published target joins; a few references are
    kept out of it and choose the inputs that transfer best. Under dataset inference and radioactive data, images of the
    right class move further into it, so that every model treats them like what it was trained on.
    """

    source = Source(
        authors="Liu, Zhang, Szyller, Ren, Asokan",
        title="False Claims against Model Ownership Resolution",
        venue="USENIX Security",
        year=2024,
        url="https://arxiv.org/abs/2304.06607",
    )
    departure = (
        "the inputs that held-out references are surest about are taken from more candidates, where the paper keeps"
        " those with a loss below 1e-6, which small networks hardly give; one radius for all schemes, where the paper"
        " takes 1/255 for dataset inference on CIFAR-10; claims under radioactive data and Zest are forged in ways of"
        " our own, with directions, decoys and units that the scheme lets the accuser state"
    )

    triggers: int = 100
    """Inputs of the forged trigger set; at least 1."""
    candidates: int = 400
    """Training inputs that are moved, fewer if there are fewer; at least ``triggers``."""
    aim: Literal["as published", "untargeted", "targeted"] = "as published"
    """Whether a trigger's label is drawn first, or is the wrong class that comes easiest. As published: targeted for
    DAWN and entangled watermarks, else untargeted."""
    radius: float = 16 / 255
    """Largest change of a value, as a share of the domain's width; above 0. Between perceptrons on FashionMNIST .85 of
    untargeted and .33 of targeted triggers transfer at 16/255, .96 and .62 at 0.1 (docs/false-claims.md)."""
    step: float = 0.03
    """How far one step moves each value, of the same unit; above 0."""
    iterations: int = 100
    """Steps; at least 1."""
    held_out: int = 1
    """References that choose the inputs and take no part in moving them; at least 0."""

    def fits(self, scheme: Ownership) -> bool:
        """Whatever asks a suspect, and radioactive data in the white box; no other mark in weights."""
        return isinstance(scheme, DatasetInference | RadioactiveData) or not scheme.opens_model()

    def models_needed(self) -> int:
        """Its own model, and those that it keeps aside to choose by."""
        return 1 + self.held_out

    def check(self) -> None:
        """Refuse parameters with which nothing could be crafted."""
        check_moves(self)
        if self.held_out < 0:
            raise InputError(f"held_out must be at least 0, got {self.held_out}")

    def _accuse(self, framing: Framing) -> Claim:
        scheme = framing.scheme
        craft = self._craft(framing)
        if isinstance(scheme, Zest):
            return self._zest(framing, scheme)
        targeted = isinstance(scheme, Dawn) if self.aim == "as published" else self.aim == "targeted"
        return framing.claim(forged_secrets(craft, targeted=targeted))

    def _craft(self, framing: Framing) -> Craft:
        others = [one for one in framing.innocents if one is not framing.model]
        if self.held_out > len(others):
            raise InputError(
                f"held_out must be at most {len(others)}, the references beside the accuser's own model,"
                f" got {self.held_out}; hold out fewer, or bring more references"
            )
        cut = len(others) - self.held_out
        seen = [] if framing.target is None else [framing.target]
        return Craft(
            framing=framing,
            own=framing.model,
            models=[framing.model, *others[:cut], *seen],
            held_out=others[cut:],
            triggers=self.triggers,
            candidates=self.candidates,
            radius=self.radius,
            step=self.step,
            iterations=self.iterations,
        )

    def _zest(self, framing: Framing, scheme: Zest) -> Claim:
        """An honest enrolment, except that it says how far apart independent models are: much further than they are."""
        seed = seeds.derive(framing.seed, ACCUSER, "enrolment")
        claim = scheme.enroll(framing.model, framing.data, seed=seed, progress=framing.progress)
        secrets = dict(claim.secrets)
        for name in ("unit_probabilities", "unit_labels"):
            secrets[name] = INFLATED * float(secrets[name])
        return dataclasses.replace(claim, secrets=secrets)
