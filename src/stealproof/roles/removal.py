"""Removal: a malicious suspect, who washes the evidence off a stolen model."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from stealproof import seeds
from stealproof.errors import InvalidData
from stealproof.oracle import Domain
from stealproof.system import Stage, System

if TYPE_CHECKING:
    import numpy as np
    import torch

    from stealproof.roles.dataset import Part

SUSPECT = "suspect"
"""First name of each of the suspect's generators, so that no stream is shared with owner, thief or judge."""


@dataclass(slots=True, kw_only=True)
class Washing:
    """One stolen model to wash: what ``Removal._erase`` receives."""

    model: torch.nn.Module
    """A copy of the stolen network, in evaluation mode, on the CPU; it may be changed and returned."""
    data: Part
    """The suspect's own rows, with labels of their own (true ones, or what the suspect believes)."""
    domain: Domain
    classes: int
    seed: int
    progress: Callable[[str, float], None]

    def rng(self, *names: str | int) -> np.random.Generator:
        """The suspect's NumPy generator of these names."""
        return seeds.rng(self.seed, SUSPECT, *names)

    def generator(self, *names: str | int) -> torch.Generator:
        """The suspect's PyTorch generator of these names."""
        return seeds.generator(self.seed, SUSPECT, *names)

    def training_seed(self, *names: str | int) -> int:
        """A seed for ``fit``, of the suspect's own."""
        return seeds.derive(self.seed, SUSPECT, *names)


@dataclass(frozen=True, kw_only=True)
class Removal(System):
    """Base of every removal attack. A subclass writes ``_erase``; copying and checks are done here."""

    stage = Stage.WEIGHTS

    @final
    def erase(
        self,
        stolen: torch.nn.Module,
        data: Part,
        *,
        domain: Domain,
        classes: int,
        seed: int = 0,
        progress: Callable[[str, float], None] | None = None,
    ) -> torch.nn.Module:
        """A new network made from ``stolen``, which stays as it is.

        Args:
            stolen: from inputs ``(n, *shape)`` to logits ``(n, classes)``.
            data: the suspect's own rows, of the same task.
            domain: the legal inputs.
            classes: number of classes.
            seed: every choice of the suspect follows from it.
            progress: called with what is being done and the finished share.

        Raises:
            InvalidData: no rows, or rows that do not fit the domain.
        """
        if len(data) == 0:
            raise InvalidData(f"{self.name()} needs rows of the suspect's own, got none")
        if tuple(data.x.shape[1:]) != domain.shape:
            raise InvalidData(f"expected rows of shape {domain.shape}, got {tuple(data.x.shape[1:])}")
        washing = Washing(
            model=copy.deepcopy(stolen).eval(),
            data=data,
            domain=domain,
            classes=classes,
            seed=seed,
            progress=progress or (lambda what, share: None),
        )
        return self._erase(washing).eval()

    @abstractmethod
    def _erase(self, washing: Washing) -> torch.nn.Module:
        """The washed network."""


def wash(
    removals: Sequence[Removal],
    stolen: torch.nn.Module,
    data: Part,
    *,
    domain: Domain,
    classes: int,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> torch.nn.Module:
    """``stolen`` after every removal in order: a stack of them is what a serious suspect runs."""
    model = stolen
    for removal in removals:
        model = removal.erase(model, data, domain=domain, classes=classes, seed=seed, progress=progress)
    return model
