"""A hook of the training loop that adds a teacher's softened answers to the labels."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch.nn import functional

from stealproof.attacks.removal._network import logits as answers_of
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun


@dataclass(frozen=True, kw_only=True)
class SoftTargets(TrainingDefense):
    """Makes the loss ``hard_share * CE(labels) + (1 - hard_share) * temperature ** 2 * KL(teacher || student)``.

    Both distributions of the second term are softened by ``temperature``.
    """

    teacher: torch.nn.Module = field(repr=False)
    """Asked about every batch, in evaluation mode; it must not be the network that is trained."""
    temperature: float
    hard_share: float

    def penalty(self, model: torch.nn.Module, batch: Part, logits: torch.Tensor, run: TrainingRun) -> torch.Tensor:
        """What turns the loop's cross-entropy into that loss."""
        teacher = self.teacher.to(batch.x.device)
        wanted = (answers_of(teacher, batch.x).to(logits.dtype) / self.temperature).log_softmax(dim=1)
        given = (logits / self.temperature).log_softmax(dim=1)
        soft = functional.kl_div(given, wanted, reduction="batchmean", log_target=True)
        hard = functional.cross_entropy(logits, batch.y)
        return (1 - self.hard_share) * (self.temperature**2 * soft - hard)
