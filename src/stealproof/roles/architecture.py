"""Architectures: families of models, untrained, with their capacity as a parameter."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stealproof.system import System

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class NetworkFamily(System):
    """A family of PyTorch networks."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        """An untrained network from inputs ``(n, *shape)`` to logits ``(n, classes)``.

        Every weight is drawn from ``generator``; the same generator state gives the same network.
        """


@dataclass(frozen=True, kw_only=True)
class EstimatorFamily(System):
    """A family of scikit-learn classifiers."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], classes: int, seed: int) -> Any:
        """An unfitted scikit-learn classifier for flattened inputs, with ``random_state`` set where it has one."""
