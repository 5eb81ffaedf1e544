"""Fast adversarial training: train on inputs that a single gradient step from a random start has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import functional

from stealproof.defenses.training._worst_nearby import check_shares, movable, moved, reach, settled
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class FastAdversarialTraining(TrainingDefense):
    """tmp."""

    source = Source(
        authors="Wong, Rice, Kolter",
        title="Fast is better than free: Revisiting adversarial training",
        venue="ICLR",
        year=2020,
        url="https://arxiv.org/abs/2001.03994",
    )
    departure = "tmp"
    protects_from: ClassVar[tuple[str, ...]] = ("evasion",)

    radius: float = 8 / 255
    """Largest change of a value, as a share of the width of the legal range; above 0, at most 1."""
    step: float = 0.0
    """Length of the step, as a share of that width, at most 1; 0 means 1.25 * radius."""
    noise: float = 1.0
    project: bool = True
    joined_radius: float = 0.0

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Check."""
        check_shares(self.name(), run.domain, radius=self.radius, joined_radius=self.joined_radius, step=self.step)
        return data

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """Move."""
        rows = movable(batch, run, self.joined_radius)
        if len(rows) == 0:
            return batch
        far = reach(rows, run, radius=self.radius, joined_radius=self.joined_radius)
        low, high = run.domain.low, run.domain.high
        noise = torch.rand(rows.x.shape, generator=run.generator, dtype=rows.x.dtype).to(rows.x.device)
        x = (rows.x + self.noise * far * (2 * noise - 1)).clamp(low, high).requires_grad_(True)
        with settled(model, bfloat16=run.bfloat16):
            value = functional.cross_entropy(model(x).to(x.dtype), rows.y, reduction="sum")
            (gradient,) = torch.autograd.grad(value, x)
        x = x.detach() + far * (self.step / self.radius if self.step else 1.25) * gradient.sign()
        if self.project:
            x = x.clamp(rows.x - far, rows.x + far)
        return moved(batch, x.clamp(low, high))
