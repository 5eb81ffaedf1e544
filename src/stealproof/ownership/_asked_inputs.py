"""Inputs that an owner makes to be asked later: where they start, how far they may move, what the victim says to them.

They are moved in the model's precision, but a claim holds float32, and that is what the suspect is asked. So every
step ends inside the domain, and the victim's answers are those to the float32 values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import InputError
from stealproof.oracle import Access, Answer, Answers, Domain, as_array
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.dataset import Part


def starting_rows(part: Part, count: int, rng: np.random.Generator, *, who: str) -> NDArray[np.int64]:
    """``count`` different rows of ``part``; equal inputs count as one."""
    rows = np.unique(as_array(part.x).reshape(len(part), -1).astype(np.float32), axis=0, return_index=True)[1]
    if count > len(rows):
        raise InputError(f"{who} starts from {count} different inputs, but the data has {len(rows)}; ask for fewer")
    return np.asarray(rng.choice(np.sort(rows), count, replace=False), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Box:
    """Where inputs may be moved: at most ``reach`` from where they start, inside the domain.

    Columns that only take listed values stay as they are: halfway values are none, and no API would take them.
    """

    start: torch.Tensor
    """``(n, *shape)``, of the precision in which inputs are moved."""
    domain: Domain
    reach: float = float("inf")
    """Largest change of a value, in the data's own units."""

    def nearest(self, x: torch.Tensor) -> torch.Tensor:
        """The legal inputs nearest to ``x``."""
        low = (self.start - self.reach).clamp(min=self.domain.low)
        high = (self.start + self.reach).clamp(max=self.domain.high)
        out = torch.clamp(x, low, high)
        fixed = list(self.domain.levels)
        if fixed:
            out[:, fixed] = self.start[:, fixed]
        return out


def width(domain: Domain) -> float:
    """The width of the domain, or 1 where it is unbounded: the unit of distances."""
    extent = domain.high - domain.low
    return float(extent) if np.isfinite(extent) else 1.0


def precision(model: torch.nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where and in which precision ``model`` computes."""
    weights = next(iter(model.parameters()), None)
    return (torch.device("cpu"), torch.float32) if weights is None else (weights.device, weights.dtype)


def finished(x: torch.Tensor, domain: Domain) -> NDArray[np.float32]:
    """``x`` as a claim holds it: float32 on the CPU, inside the domain after rounding too."""
    rounded = x.detach().cpu().numpy().astype(np.float32)
    return np.asarray(np.clip(rounded, np.float32(domain.low), np.float32(domain.high)), dtype=np.float32)


def answers(model: torch.nn.Module, x: Any, domain: Domain, classes: int) -> Answers:
    """Labels and probabilities of ``model``, asked in the way in which a suspect is."""
    access = Access(answer=Answer.PROBABILITIES)
    return ModuleOracle(model, domain=domain, classes=classes, access=access).ask(x)
