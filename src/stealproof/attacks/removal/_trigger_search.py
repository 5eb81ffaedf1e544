"""Reconstructed triggers: the smallest patch that sends any input to one class, and a hook that unlearns it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch.nn import functional

from stealproof.measures.outliers import robust_scores
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun

SUCCESS = 0.99
"""Share of inputs that a patch has to send to its class (Wang et al. 2019, section V-A)."""
WINDOW = 10
"""Steps over which success is averaged before the weight of the patch's size is changed."""
FASTER = 1.5
"""Factor by which that weight rises; it falls by this to the power of 1.5, as in the authors' experiments."""
RATE = 0.1
"""Adam's learning rate, with first and second momentum 0.5 and 0.9."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A patch that sends inputs to ``target``."""

    target: int
    mask: torch.Tensor
    """How much of each place is replaced, 0 to 1: ``(1, height, width)`` for images, else the shape of an input."""
    pattern: torch.Tensor
    """What it is replaced by, legal values of the shape of an input."""

    @property
    def size(self) -> float:
        """Sum of the mask."""
        return float(self.mask.sum())

    def applied(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` with this patch."""
        mask, pattern = self.mask.to(x), self.pattern.to(x)
        return (1 - mask) * x + mask * pattern


def find_trigger(
    model: torch.nn.Module,
    x: torch.Tensor,
    target: int,
    *,
    low: float,
    high: float,
    steps: int,
    batch: int,
    generator: torch.Generator,
) -> Trigger:
    """The smallest patch found that sends rows of ``x`` to ``target`` (Wang et al. 2019, section IV-B).

    Gradient descent on cross-entropy plus the mask's weighted sum; the weight rises while the patch works and falls
    while it does not. A target that is never reached gets the whole input as its mask: nothing small leads there.
    """
    shape = tuple(x.shape[1:])
    mask_shape = (1, *shape[1:]) if len(shape) == 3 else shape
    free = [torch.randn(size, generator=generator, dtype=x.dtype).requires_grad_() for size in (mask_shape, shape)]
    optimizer = torch.optim.Adam(free, lr=RATE, betas=(0.5, 0.9))
    best = Trigger(target=target, mask=torch.ones(mask_shape, dtype=x.dtype), pattern=x[0])
    weight, hits = 1e-3, 0.0
    for step in range(steps):
        rows = x[torch.randint(len(x), (min(batch, len(x)),), generator=generator)]
        mask, pattern = free[0].sigmoid(), low + (high - low) * free[1].sigmoid()
        logits = model((1 - mask) * rows + mask * pattern)
        wanted = torch.full((len(rows),), target, device=logits.device)
        loss = functional.cross_entropy(logits, wanted) + weight * mask.sum()
        optimizer.zero_grad()
        loss.backward(inputs=free)
        hits += float((logits.argmax(dim=1) == target).double().mean()) / WINDOW
        if step % WINDOW == WINDOW - 1:
            found = Trigger(target=target, mask=mask.detach(), pattern=pattern.detach())
            if hits >= SUCCESS and found.size < best.size:
                best = found
            weight, hits = weight * (FASTER if hits >= SUCCESS else FASTER**-1.5), 0.0
        optimizer.step()
    return best


def suspicious(triggers: Sequence[Trigger], threshold: float) -> list[Trigger]:
    """Those that are smaller than the others by more than ``threshold`` robust deviations, the smallest first."""
    scores = robust_scores([trigger.size for trigger in triggers])
    chosen = [trigger for trigger, score in zip(triggers, scores, strict=True) if score < -threshold]
    return sorted(chosen, key=lambda trigger: trigger.size)


@dataclass(frozen=True, kw_only=True)
class Unlearning(TrainingDefense):
    """Puts triggers on a share of every batch and leaves the labels right, so that the triggers lose their effect."""

    triggers: Sequence[Trigger] = field(repr=False)
    share: float

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """The batch, whose first rows carry one of the triggers each."""
        x = batch.x.clone()
        count = round(self.share * len(x))
        chosen = torch.randint(len(self.triggers), (count,), generator=run.generator).to(x.device)
        for number, trigger in enumerate(self.triggers):
            rows = (chosen == number).nonzero().flatten()
            x[rows] = trigger.applied(x[rows])
        return Part(x=x, y=batch.y)
