"""Unauthorized ownership: whether a fingerprint still names the owner after a theft, and spares an innocent."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from stealproof.claims import Claim, Decision, Verdict
from stealproof.errors import InputError
from stealproof.measures.conformal import controls_needed
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import YES_OR_NO, proportion
from stealproof.oracle import Access, Answer
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.conferrable import Conferrable
from stealproof.ownership.dataset_inference import DatasetInference
from stealproof.ownership.ipguard import Ipguard
from stealproof.ownership.zest import Zest
from stealproof.risks._shadows import networks_of_halves
from stealproof.risks._thief import Attack, stolen
from stealproof.roles.dataset import Dataset
from stealproof.roles.ownership import Fingerprint
from stealproof.roles.risk import Measurement, Risk
from stealproof.roles.trial import Calibration
from stealproof.system import Source
from stealproof.training.trained import Trained

SMALLEST = 1e-300
"""A p-value below this one counts as it, so that its logarithm is finite."""


@dataclass(frozen=True, kw_only=True)
class UnauthorizedOwnership(Risk):
    """A thief steals the model with inputs of ``data.pool``; the owner holds a fingerprint of it against the copy.

    The same test then meets a network that learned from half of the pool without the model: whoever accuses that one
    proves nothing.
    A watermark has to be embedded first: its own verdict on the copies of a marked model is the measure there.
    """

    source = Source(
        authors="Maini, Yaghini, Papernot",
        title="Dataset Inference: Ownership Resolution in Machine Learning",
        venue="ICLR",
        year=2021,
        url="https://arxiv.org/abs/2104.10706",
    )
    departure = "one thief and one innocent network; any of four fingerprints in place of dataset inference alone"
    measures: ClassVar[Mapping[str, str]] = {
        "detected": "1 when the owner's test names the stolen copy at the level, else 0",
        "log10_p": "decimal logarithm of the test's p-value on the stolen copy",
        "false_accusation": "1 when the same test names an independent network at the level, else 0",
        "innocent_log10_p": "decimal logarithm of the test's p-value on the independent network",
    }
    headline = "detected"
    worse: ClassVar[Literal["higher", "lower"]] = "lower"

    scheme: Literal["dataset_inference", "ipguard", "zest", "conferrable"] = "dataset_inference"
    """The fingerprint; all but the first need control networks to give a p-value at all."""
    attack: Attack = "knockoff_nets"
    """How the copy is stolen, through probabilities."""
    budget: int = 1000
    """Most queries of the thief, at least 1; a thief who makes no inputs of its own stops with the pool."""
    level: float = 1e-3
    """Largest acceptable chance of accusing an innocent; above 0, below 1."""
    controls: int = 19
    """Networks trained on halves of the pool for a scheme without a null distribution; 19 allow a level of 0.05."""
    images: int = 200
    """Dataset inference: members, and as many non-members, to learn from and as many again to verify; at least 2."""

    def measure(self, model: Any, data: Dataset, *, seed: int = 0) -> Measurement:
        """Fingerprint ``model``, a network or a trained one; steal it; examine the copy and an innocent network.

        Raises:
            InputError: no network, or a parameter out of range.
            InvalidData: parts that are missing or too small for the scheme.
        """
        scheme = self._scheme()
        network = self._opened(model)
        claim = scheme.enroll(network, data, seed=seed)
        access = Access(answer=Answer.PROBABILITIES)
        victim = ModuleOracle(network, domain=data.domain, classes=data.classes, access=access)
        thief = stolen(victim, data, attack=self.attack, budget=self.budget, seed=seed)
        # The innocent is made like the controls, so that it takes any place among them with the same chance.
        controls = 0 if scheme.exact else self.controls
        innocent, *networks = networks_of_halves(data, 1 + controls, seed=seed, who=self.name())
        calibration = None if scheme.exact else self._calibrated(scheme, claim, networks, data, seed)
        on_copy, on_innocent = (
            scheme.verify(
                claim,
                ModuleOracle(suspect, domain=data.domain, classes=data.classes, access=access),
                level=self.level,
                seed=seed,
                calibration=calibration,
            )
            for suspect in (thief.model, innocent)
        )
        return Measurement(
            estimates={
                "detected": _named(on_copy),
                "log10_p": _log10_p(on_copy),
                "false_accusation": _named(on_innocent),
                "innocent_log10_p": _log10_p(on_innocent),
            },
            details={
                "scheme": self.scheme,
                "queries": thief.queries,
                "copy": {"decision": str(on_copy.decision), "reasons": list(on_copy.reasons)},
                "innocent": {"decision": str(on_innocent.decision), "reasons": list(on_innocent.reasons)},
            },
        )

    def _scheme(self) -> Fingerprint:
        if not 0 < self.level < 1:
            raise InputError(f"level must lie between 0 and 1, got {self.level}")
        for name, least in (("budget", 1), ("controls", 0), ("images", 2)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.scheme == "dataset_inference":
            return DatasetInference(images=self.images, regressor_images=self.images)
        if self.controls < controls_needed(self.level):
            raise InputError(
                f"{self.scheme} has no null distribution, so level {self.level:g} takes"
                f" {controls_needed(self.level)} control networks, got controls={self.controls}; raise one of the two"
            )
        chosen: dict[str, Fingerprint] = {"ipguard": Ipguard(), "zest": Zest(), "conferrable": Conferrable()}
        return chosen[self.scheme]

    def _opened(self, model: Any) -> torch.nn.Module:
        network = model.model if isinstance(model, Trained) else model
        if not isinstance(network, torch.nn.Module):
            raise InputError(
                f"unauthorized_ownership needs a network to fingerprint, got {type(network).__name__}; give the"
                " owner's own network"
            )
        return copy.deepcopy(network).eval()

    def _calibrated(
        self, scheme: Fingerprint, claim: Claim, networks: Sequence[torch.nn.Module], data: Dataset, seed: int
    ) -> Calibration:
        access = Access(answer=Answer.PROBABILITIES)
        return scheme.calibrate(
            claim,
            [ModuleOracle(n, domain=data.domain, classes=data.classes, access=access) for n in networks],
            seed=seed,
            level=self.level,
        )


def _named(verdict: Verdict) -> Estimate:
    return dataclasses.replace(proportion(int(verdict.decision is Decision.OWNED), 1), method=YES_OR_NO)


def _log10_p(verdict: Verdict) -> Estimate:
    value = math.log10(max(verdict.p_value, SMALLEST))
    return Estimate(value=value, low=value, high=value, n=1, method="one test")
