"""Fast adversarial training: train on inputs that a single gradient step from a random start has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn import functional

from stealproof.defenses.training._worst_nearby import check_shares, movable, moved, reach
from stealproof.errors import InputError
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.system import Source
from stealproof.training.settled import settled

Variant = Literal["n-fgsm", "rs-fgsm"]
NOISE: dict[Variant, float] = {"n-fgsm": 2.0, "rs-fgsm": 1.0}
"""How far from the row a random start may lie, in radii."""
STEP: dict[Variant, float] = {"n-fgsm": 1.0, "rs-fgsm": 1.25}
"""Length of the step, in radii."""


@dataclass(frozen=True, kw_only=True)
class FastAdversarialTraining(TrainingDefense):
    """Every batch is replaced by what one signed gradient step from a random start near it finds (algorithm 3).

    A network may learn to answer that one step rightly and any longer search wrongly, within a few batches:
    catastrophic overfitting. The paper's own way, ``rs-fgsm``, met it here (see docs/robust-training.md). ``n-fgsm``
    (de Jorge et al., NeurIPS 2022, arXiv:2202.01181) starts from twice the noise and does not clip to the ball, so that
    it trains on inputs up to three radii away; it costs no more, and looks at no held-out rows.

    What protections that are named before it have joined to the batch, such as a watermark's triggers, is trained on as
    it is unless ``joined_radius`` is given. What those named after it join, it never sees.
    """

    source = Source(
        authors="Wong, Rice, Kolter",
        title="Fast is better than free: Revisiting adversarial training",
        venue="ICLR",
        year=2020,
        url="https://arxiv.org/abs/2001.03994",
    )
    departure = (
        "larger noise and no clipping by default (de Jorge et al. 2022), since the paper's way lost all robustness;"
        " the step is taken in evaluation mode; columns that only take listed values stay as they are"
    )
    protects_from: ClassVar[tuple[str, ...]] = ("evasion",)

    radius: float = 8 / 255
    """Change of a value to become robust to, as a share of the width of the legal range; above 0, at most 1."""
    variant: Variant = "n-fgsm"
    """``n-fgsm``: a start within two radii, a step of one, nothing clipped but to the legal range. ``rs-fgsm``: a start
    within the radius, a step of 1.25, clipped to the radius."""
    step: float = 0.0
    """Length of the step, as a share of the width of the legal range, at most 1; 0 means the variant's."""
    joined_radius: float = 0.0
    """Radius for the rows that protections joined to a batch; 0 leaves them as they are. The step grows with it."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Check the parameters; the data stay as they are.

        Raises:
            InputError: a parameter out of range, or inputs without bounds.
        """
        check_shares(self.name(), run.domain, radius=self.radius, joined_radius=self.joined_radius, step=self.step)
        if self.variant not in NOISE:
            raise InputError(f"variant of {self.name()} must be n-fgsm or rs-fgsm, got {self.variant!r}")
        return data

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """The batch with other inputs and the same targets."""
        rows = movable(batch, run, self.joined_radius)
        if len(rows) == 0:
            return batch
        far = reach(rows, run, radius=self.radius, joined_radius=self.joined_radius)
        low, high = run.domain.low, run.domain.high
        draw = torch.rand(rows.x.shape, generator=run.generator, dtype=rows.x.dtype).to(rows.x.device)
        x = (rows.x + NOISE[self.variant] * far * (2 * draw - 1)).clamp(low, high).requires_grad_(True)
        with settled(model, bfloat16=run.bfloat16):
            loss = functional.cross_entropy(model(x).to(x.dtype), rows.y, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, x)
        step = far * (self.step / self.radius if self.step else STEP[self.variant])
        x = x.detach() + step * gradient.sign()
        if self.variant == "rs-fgsm":
            x = x.clamp(rows.x - far, rows.x + far)
        return moved(batch, x.clamp(low, high))
