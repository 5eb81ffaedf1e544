"""What a scheme gets and gives: a trial, what was found in it, what controls said, and a model to fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stealproof import seeds
from stealproof.claims import Claim
from stealproof.errors import EvidenceError
from stealproof.oracle import Answers, Oracle

if TYPE_CHECKING:
    import torch

    from stealproof.roles.dataset import Dataset

JUDGE = "judge"
"""First name of each of the judge's generators, so that no stream is shared with owner, thief or suspect."""
OWNER = "owner"
"""First name of the owner's generators while a fingerprint is enrolled."""


@dataclass(slots=True, kw_only=True)
class Trial:
    """One claim before one suspect: what ``Ownership._examine`` receives."""

    claim: Claim
    suspect: Oracle
    """Metered; ask it through ``ask``."""
    model: torch.nn.Module | None
    """The suspect's network, for schemes that open it; else None."""
    level: float
    seed: int
    progress: Callable[[str, float], None]

    def ask(self, x: Any, *, batch: int = 1024) -> Answers:
        """Query the suspect in batches and return all answers in order."""
        return self.suspect.ask(x, batch=batch)

    def secret(self, name: str) -> Any:
        """A secret of the claim; ``EvidenceError`` when it has none of this name."""
        if name not in self.claim.secrets:
            raise EvidenceError(f"the claim of {self.claim.scheme} holds no {name!r}; expected one to verify with")
        return self.claim.secrets[name]

    def rng(self, *names: str | int) -> np.random.Generator:
        """The judge's NumPy generator of these names."""
        return seeds.rng(self.seed, JUDGE, *names)

    def generator(self, *names: str | int) -> torch.Generator:
        """The judge's PyTorch generator of these names."""
        return seeds.generator(self.seed, JUDGE, *names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What a scheme found on one suspect, before anybody decides."""

    statistic: float
    """Larger means more like a stolen copy."""
    p_value: float | None = None
    """Of the scheme's own null distribution; None when only control models can tell."""
    threshold: float | None = None
    """Where the p-value reaches the level; None when only control models can tell."""
    attainable: float = 0.0
    """The smallest p-value that this claim could give; above the level, no suspect could ever be convicted."""
    needed: str = ""
    """What would make the level attainable, for instance "at least 4 triggers"."""
    e_value: float | None = None
    effect: float | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The same examination on models that are known to be independent."""

    statistics: tuple[float, ...]
    p_values: tuple[float | None, ...]
    description: str = ""
    """What the control models are, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """One model to fingerprint: what ``Fingerprint._enroll`` receives."""

    model: torch.nn.Module
    data: Dataset
    seed: int
    progress: Callable[[str, float], None]

    def rng(self, *names: str | int) -> np.random.Generator:
        """The owner's NumPy generator of these names."""
        return seeds.rng(self.seed, OWNER, *names)

    def generator(self, *names: str | int) -> torch.Generator:
        """The owner's PyTorch generator of these names."""
        return seeds.generator(self.seed, OWNER, *names)
