"""Projected gradient descent: the worst inputs near given ones, and a hook that trains on them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from stealproof.errors import InputError
from stealproof.oracle import Domain
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun


def width_of(domain: Domain, name: str) -> float:
    """The distance between the least and the largest legal value; ``InputError`` when a side is open."""
    width = domain.high - domain.low
    if not 0 < width < float("inf"):
        raise InputError(
            f"{name} needs inputs between bounds, since its strength is a share of their width; got"
            f" [{domain.low:g}, {domain.high:g}]: scale the data to a range"
        )
    return width


def worst_nearby(
    model: torch.nn.Module,
    batch: Part,
    *,
    radius: float,
    step: float,
    steps: int,
    low: float,
    high: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Inputs ``(n, *shape)`` within ``radius`` (largest change of a value) of the batch's, where the loss is large.

    Madry et al. 2018, section 2.1: a random start, then ``steps`` signed gradient steps of size ``step``, each
    followed by projection onto the ball and the legal range. ``model`` keeps its mode and its gradients.
    """
    lowest, highest = (batch.x - radius).clamp(min=low), (batch.x + radius).clamp(max=high)
    noise = torch.rand(batch.x.shape, generator=generator, dtype=batch.x.dtype).to(batch.x.device)
    x = (batch.x + radius * (2 * noise - 1)).clamp(lowest, highest)
    training = model.training
    # Statistics of batch normalisations are those of the task, not of these steps.
    model.eval()
    for _ in range(steps):
        x.requires_grad_(True)
        loss = functional.cross_entropy(model(x), batch.y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        x = (x.detach() + step * gradient.sign()).clamp(lowest, highest)
    model.train(training)
    return x


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
