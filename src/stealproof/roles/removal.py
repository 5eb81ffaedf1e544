"""Removal: a malicious suspect, who washes the evidence off a stolen model."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stealproof.system import Stage, System

if TYPE_CHECKING:
    import torch

    from stealproof.roles.dataset import Part


@dataclass(frozen=True, kw_only=True)
class Removal(System):
    """Base of every removal attack."""

    stage = Stage.WEIGHTS

    @abstractmethod
    def erase(self, stolen: torch.nn.Module, data: Part, *, seed: int = 0) -> torch.nn.Module:
        """A new model made from ``stolen`` (left as it is) with the suspect's own ``data``."""
