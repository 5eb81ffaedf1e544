"""Auto-PGD: projected gradient ascent with momentum that halves its own steps where they stop paying."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch

from stealproof.risks._attacked import Attacked, Ball, Loss

MOMENTUM = 0.75
"""alpha of the paper: weight of the new step against the last one."""
PAYING = 0.75
"""rho: share of the steps since the last checkpoint that must have raised the loss for the step to stay as it is."""


@dataclass(slots=True)
class _Climbers:
    """The state of the rows ``(n, ...)`` that still stand."""

    number: torch.Tensor
    """Which row each one is."""
    x: torch.Tensor
    before: torch.Tensor
    """Where it was one step earlier."""
    gradient: torch.Tensor
    loss: torch.Tensor
    best_x: torch.Tensor
    best_gradient: torch.Tensor
    best: torch.Tensor
    """Largest loss so far."""
    step: torch.Tensor
    rises: torch.Tensor
    """Steps since the last checkpoint that raised the loss."""
    best_then: torch.Tensor
    """``best`` at the last checkpoint."""
    halved: torch.Tensor
    """Whether the last checkpoint halved the step."""

    def only(self, rows: torch.Tensor) -> None:
        """Forget the others."""
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name)[rows])

    def look_back(self, since: int) -> None:
        """A checkpoint: halve the steps of rows that did not rise enough, and put these where they were best."""
        slow = (self.rises < PAYING * since) | (~self.halved & (self.best <= self.best_then))
        self.step = torch.where(slow, self.step / 2, self.step)
        for current, best in (("x", "best_x"), ("gradient", "best_gradient")):
            setattr(self, current, torch.where(_wide(slow, self.x), getattr(self, best), getattr(self, current)))
        self.loss = torch.where(slow, self.best, self.loss)
        self.halved, self.best_then = slow, self.best.clone()
        self.rises = torch.zeros_like(self.rises)


def climb(
    network: Attacked,
    x: torch.Tensor,
    y: torch.Tensor,
    ball: Ball,
    *,
    loss: Loss,
    goal: torch.Tensor | None = None,
    radius: float,
    steps: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the ascent from a random point around ``x`` ``(n, *shape)`` ends, and which rows ``(n,)`` still stand.

    Croce & Hein 2020, algorithm 1, in the largest-change norm. A row is left where it falls; one that stands is
    returned where its loss was largest. ``goal`` holds the classes ``(n,)`` of a targeted loss. The ascent compares
    losses of one row only, so that any loss that ranks a row's inputs alike does the same.
    """
    more = () if goal is None else (goal,)
    noise = 2 * torch.rand(x.shape, generator=generator, dtype=x.dtype) - 1
    # The paper's start touches the ball's surface.
    noise /= noise.flatten(1).amax(dim=1).clamp(min=1e-12).view(-1, *[1] * (x.ndim - 1))
    found = ball.nearest(x + radius * noise.clamp(-1, 1).to(x.device))
    standing = torch.ones(len(x), dtype=torch.bool, device=x.device)
    if len(x) == 0:
        return found, standing
    value, gradient, stands = network.uphill(found, y, loss, *more)
    rows = torch.arange(len(x), device=x.device)
    state = _Climbers(
        number=rows,
        x=found.clone(),
        before=found.clone(),
        gradient=gradient,
        loss=value,
        best_x=found.clone(),
        best_gradient=gradient.clone(),
        best=value.clone(),
        step=torch.full_like(value, 2 * radius),
        rises=torch.zeros_like(rows),
        best_then=value.clone(),
        halved=torch.zeros_like(standing),
    )
    checkpoints = set(_checkpoints(steps))
    last = 0
    for taken in range(1, steps + 1):
        standing[state.number[~stands]] = False
        found[state.number[~stands]] = state.x[~stands]
        if not bool(stands.all()):
            state.only(stands)
        if len(state.number) == 0:
            return found, standing
        if taken - 1 in checkpoints:
            state.look_back(taken - 1 - last)
            last = taken - 1
        here = ball.take(state.number)
        ahead = here.nearest(state.x + _wide(state.step, state.x) * state.gradient.sign())
        if taken == 1:
            moved = ahead
        else:
            moved = state.x + MOMENTUM * (ahead - state.x) + (1 - MOMENTUM) * (state.x - state.before)
        state.before, state.x = state.x, here.nearest(moved)
        labels, goals = y[state.number], tuple(column[state.number] for column in more)
        value, state.gradient, stands = network.uphill(state.x, labels, loss, *goals)
        state.rises += value > state.loss
        state.loss = value
        better = value > state.best
        state.best = torch.where(better, value, state.best)
        state.best_x = torch.where(_wide(better, state.x), state.x, state.best_x)
        state.best_gradient = torch.where(_wide(better, state.x), state.gradient, state.best_gradient)
    standing[state.number[~stands]] = False
    found[state.number] = torch.where(_wide(stands, state.x), state.best_x, state.x)
    return found, standing


def _checkpoints(steps: int) -> list[int]:
    """The steps at which the ascent looks back: ever closer, at least 6% apart (section 3.2 of the paper)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    # Rounded first: 0.57 * 100 is a little more than 57.
    return sorted({math.ceil(round(share * steps, 9)) for share in shares[1:]})


def _wide(column: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """``(n,)`` so that it broadcasts over ``(n, *shape)``."""
    return column.view(-1, *[1] * (like.ndim - 1))
