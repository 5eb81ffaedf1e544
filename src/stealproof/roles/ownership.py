"""Ownership: schemes that prove whose model it is. Watermarks change the model or its answers, fingerprints don't."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stealproof.claims import Claim, Verdict
from stealproof.oracle import Oracle
from stealproof.system import System

if TYPE_CHECKING:
    import torch

    from stealproof.roles.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class Ownership(System):
    """Base of every ownership scheme."""

    @abstractmethod
    def verify(self, claim: Claim, suspect: Oracle, *, level: float = 1e-3, seed: int = 0) -> Verdict:
        """Test ``claim`` against ``suspect`` at the false-accusation rate ``level``.

        Raises or returns evidence; never a bare bool.
        """


@dataclass(frozen=True, kw_only=True)
class Watermark(Ownership):
    """A scheme that marks; it is also a ``TrainingDefense`` and/or a ``Guard``."""

    @abstractmethod
    def claim(self) -> Claim:
        """The claim to what has been marked so far."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint(Ownership):
    """A scheme that leaves the model as it is."""

    @abstractmethod
    def enroll(self, model: torch.nn.Module, data: Dataset, *, seed: int = 0) -> Claim:
        """Characterise ``model``, which is not changed."""
