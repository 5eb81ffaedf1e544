"""PGD training: train on the worst inputs near the training rows, found by projected gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from stealproof.defenses.training._worst_nearby import (
    check_shares,
    check_steps,
    movable,
    moved,
    worst_rows,
)
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class PgdTraining(TrainingDefense):
    """Every batch is replaced by the inputs within ``radius`` of it where the loss is largest (equation 2.1).

    What protections that are named before it have joined to the batch, such as a watermark's triggers, is trained on as
    it is; with ``joined_radius`` it is made robust in a ball of its own (Thakkar et al. 2023, arXiv:2312.14260). What
    those named after it join, it never sees.
    """

    source = Source(
        authors="Madry, Makelov, Schmidt, Tsipras, Vladu",
        title="Towards Deep Learning Models Resistant to Adversarial Attacks",
        venue="ICLR",
        year=2018,
        url="https://arxiv.org/abs/1706.06083",
    )
    departure = (
        "inputs are sought in evaluation mode, so that normalisations keep the statistics of what is trained on and no"
        " row's neighbour depends on the other rows; columns that only take listed values stay as they are"
    )
    protects_from: ClassVar[tuple[str, ...]] = ("evasion",)

    radius: float = 8 / 255
    """Largest change of a value, as a share of the width of the legal range; above 0, at most 1."""
    steps: int = 7
    """Gradient steps to each input; 1 to 1000."""
    step: float = 0.0
    """Length of a step, as a share of that width, at most 1; 0 means 2.5 * radius / steps."""
    joined_radius: float = 0.0
    """Radius for the rows that protections joined to a batch; 0 leaves them as they are. Steps grow with it."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Check the parameters; the data stay as they are.

        Raises:
            InputError: a parameter out of range, or inputs without bounds.
        """
        check_shares(self.name(), run.domain, radius=self.radius, joined_radius=self.joined_radius, step=self.step)
        check_steps(self.name(), self.steps)
        return data

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """The batch with other inputs and the same targets."""
        rows = movable(batch, run, self.joined_radius)
        x = worst_rows(
            model,
            rows,
            run,
            radius=self.radius,
            joined_radius=self.joined_radius,
            step=self.step,
            steps=self.steps,
        )
        return moved(batch, x)
