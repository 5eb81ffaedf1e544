"""FalseClaim: a malicious accuser, who frames independent models."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stealproof.claims import Claim
from stealproof.roles.ownership import Ownership
from stealproof.system import System

if TYPE_CHECKING:
    import torch

    from stealproof.roles.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class FalseClaim(System):
    """Base of every false-claim attack."""

    @abstractmethod
    def accuse(self, scheme: Ownership, innocents: Sequence[torch.nn.Module], data: Dataset, *, seed: int = 0) -> Claim:
        """A claim under ``scheme`` that should also hold against models that were never stolen.

        ``innocents`` are reference models that the accuser trained; the framed suspect is none of them.
        """
