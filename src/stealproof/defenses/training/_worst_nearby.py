"""Projected gradient descent: the worst inputs near given ones, for protections that train on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from stealproof.errors import InputError
from stealproof.oracle import Domain
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.training.settled import settled

STEPS = 1000
"""Most gradient steps for one batch."""


def width_of(domain: Domain, name: str) -> float:
    """The distance between the least and the largest legal value; ``InputError`` when a side is open."""
    width = domain.high - domain.low
    if not 0 < width < float("inf"):
        raise InputError(
            f"{name} needs inputs between bounds, since its strength is a share of their width; got"
            f" [{domain.low:g}, {domain.high:g}]: scale the data to a range"
        )
    return width


def check_shares(name: str, domain: Domain, *, radius: float, joined_radius: float = 0.0, step: float = 0.0) -> None:
    """Raise ``InputError`` unless the radii and the step of the defense ``name`` are shares of a bounded range.

    Also when every column only takes listed values, so that there is nothing to move.
    """
    width_of(domain, name)
    where = f"as a share of the width of the data's range [{domain.low:g}, {domain.high:g}]"
    # NaN is nowhere.
    if not 0 < radius <= 1:
        raise InputError(f"radius of {name} must be above 0 and at most 1, {where}, got {radius:g}")
    if not 0 <= joined_radius <= 1:
        raise InputError(f"joined_radius of {name} must be from 0 to 1, {where}, got {joined_radius:g}")
    if not 0 <= step <= 1:
        raise InputError(f"step of {name} must be from 0 to 1, {where}, where 0 chooses one, got {step:g}")
    if len(domain.shape) == 1 and len(domain.levels) == domain.shape[0]:
        raise InputError(
            f"{name} moves continuous columns, but all {len(domain.levels)} only take listed values; leave it out"
        )


def check_steps(name: str, steps: int) -> None:
    """Raise ``InputError`` unless the number of steps of the defense ``name`` is one that ends."""
    if not 1 <= steps <= STEPS:
        raise InputError(f"steps of {name} must be from 1 to {STEPS}, got {steps}")


def movable(batch: Part, run: TrainingRun, joined_radius: float) -> Part:
    """The rows of ``batch`` that may move: those drawn, and what protections joined unless ``joined_radius`` is 0."""
    return batch if joined_radius > 0 else batch.take(slice(0, run.drawn))


def reach(rows: Part, run: TrainingRun, *, radius: float, joined_radius: float) -> torch.Tensor:
    """How far each value of ``rows`` may move, in units of the inputs, ``(n or 1, *shape or *1)``.

    Not at all in columns that only take listed values: halfway values are none.
    """
    width = run.domain.high - run.domain.low
    ones = (1,) * (rows.x.ndim - 1)
    far = torch.full((len(rows), *ones), joined_radius * width, dtype=rows.x.dtype, device=rows.x.device)
    far[: run.drawn] = radius * width
    if run.domain.levels:
        far = far.expand(rows.x.shape).clone()
        far[:, list(run.domain.levels)] = 0
    return far


def moved(batch: Part, x: torch.Tensor) -> Part:
    """``batch`` whose first rows have the inputs ``x``."""
    return Part(x=x if len(x) == len(batch) else torch.cat([x, batch.x[len(x) :]]), y=batch.y)


def worst_nearby(
    model: torch.nn.Module,
    batch: Part,
    *,
    radius: float | torch.Tensor,
    step: float | torch.Tensor,
    steps: int,
    low: float,
    high: float,
    generator: torch.Generator,
    loss: Callable[[torch.Tensor], torch.Tensor] | None = None,
    bfloat16: bool = False,
) -> torch.Tensor:
    """Inputs ``(n, *shape)`` within ``radius`` (largest change of a value) of the batch's, where the loss is large.

    Madry et al. 2018, section 2.1: a random start, then ``steps`` signed gradient steps of size ``step``, each
    followed by projection onto the ball and the legal range. ``model`` keeps its modes, statistics and gradients.

    Args:
        model: from inputs to logits.
        batch: inputs, with labels ``(n,)`` or distributions ``(n, classes)``.
        radius: one for all values, or a tensor that is broadcast to the inputs.
        step: likewise.
        steps: gradient steps; 0 leaves the random start.
        low: least legal value.
        high: largest legal value.
        generator: of the random start, on the CPU.
        loss: from logits ``(n, classes)`` to what is climbed, ``()``; None for the summed cross-entropy.
        bfloat16: whether layers compute in it.
    """
    lowest, highest = (batch.x - radius).clamp(min=low), (batch.x + radius).clamp(max=high)
    noise = torch.rand(batch.x.shape, generator=generator, dtype=batch.x.dtype).to(batch.x.device)
    x = (batch.x + radius * (2 * noise - 1)).clamp(lowest, highest)
    if len(x) == 0:
        return x
    with settled(model, bfloat16=bfloat16):
        for _ in range(steps):
            x.requires_grad_(True)
            logits = model(x).to(x.dtype)
            value = functional.cross_entropy(logits, batch.y, reduction="sum") if loss is None else loss(logits)
            # That of the inputs only: the gradients of the weights would cost as much again.
            (gradient,) = torch.autograd.grad(value, x)
            x = (x.detach() + step * gradient.sign()).clamp(lowest, highest)
    return x


def worst_rows(
    model: torch.nn.Module,
    rows: Part,
    run: TrainingRun,
    *,
    radius: float,
    joined_radius: float,
    step: float,
    steps: int,
    loss: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """``worst_nearby`` for the rows of a training run; radii and step are shares of the width of the legal range.

    The step grows with a row's own radius; 0 takes 2.5 * radius / steps.
    """
    far = reach(rows, run, radius=radius, joined_radius=joined_radius)
    return worst_nearby(
        model,
        rows,
        radius=far,
        step=far * (step / radius if step else 2.5 / steps),
        steps=steps,
        low=run.domain.low,
        high=run.domain.high,
        generator=run.generator,
        loss=loss,
        bfloat16=run.bfloat16,
    )


@dataclass(frozen=True, kw_only=True)
class WorstNearby(TrainingDefense):
    """Replaces every batch by the worst inputs near it; strengths are in units of the inputs."""

    radius: float
    step: float
    steps: int

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """The batch with other inputs and the same labels."""
        x = worst_nearby(
            model,
            batch,
            radius=self.radius,
            step=self.step,
            steps=self.steps,
            low=run.domain.low,
            high=run.domain.high,
            generator=run.generator,
        )
        return Part(x=x, y=batch.y)
