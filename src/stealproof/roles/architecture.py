"""Architectures: families of models, untrained, with their capacity as a parameter."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from stealproof.system import System

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class NetworkFamily(System):
    """A family of PyTorch networks. A subclass writes ``_build``."""

    @final
    def build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        """An untrained network from inputs ``(n, *shape)`` to logits ``(n, classes)``.

        Every weight is drawn from ``generator``; the same generator state gives the same network.
        """
        import torch

        # PyTorch's layers draw their first weights from the global generator, which is nobody's business here.
        with torch.random.fork_rng(devices=[]):
            return self._build(shape, classes, generator)

    @abstractmethod
    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        """What ``build`` promises; draw weights with ``stealproof.models._initialise.draw_weights``."""


@dataclass(frozen=True, kw_only=True)
class EstimatorFamily(System):
    """A family of scikit-learn classifiers."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], classes: int, seed: int) -> Any:
        """An unfitted scikit-learn classifier for flattened inputs, with ``random_state`` set where it has one."""
