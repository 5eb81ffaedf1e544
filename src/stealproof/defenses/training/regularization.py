"""Regularization: a penalty on large weights or on confident answers, so that the network learns less by heart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn import functional

from stealproof.errors import InputError
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.system import Source

SUITED = {"l2": 1e-3, "l1": 1e-4, "confidence": 0.1}
"""Strengths that are taken when none is given."""


@dataclass(frozen=True, kw_only=True)
class Regularization(TrainingDefense):
    """Add ``strength`` times a penalty to the loss of every step (section VIII).

    ``l2``: the sum of squared weights; ``l1``: the sum of their absolute values, which drives many to zero; biases and
    the gains of normalisations are left free. ``confidence``: minus the mean entropy of the answers to the rows that
    were drawn. ``Recipe.weight_decay`` is the plainer tool under ``sgd``, where it does what ``l2`` with half its value
    does to all weights; the optimizers ``adam`` and ``muon`` rescale what comes through the loss, but not their decay.
    """

    source = Source(
        authors="Shokri, Stronati, Song, Shmatikov",
        title="Membership Inference Attacks Against Machine Learning Models",
        venue="IEEE S&P",
        year=2017,
        url="https://arxiv.org/abs/1610.05820",
    )
    departure = (
        "l1, and the confidence penalty of Pereyra, Tucker, Chorowski, Kaiser & Hinton (ICLR workshop 2017), stand"
        " beside the paper's l2"
    )
    protects_from: ClassVar[tuple[str, ...]] = ("membership_inference",)

    kind: Literal["l2", "l1", "confidence"] = "l2"
    """What is penalised: squared weights, absolute weights, or confident answers."""
    strength: float | None = None
    """Weight of the penalty in the loss; at least 0; None for 0.001 (l2), 0.0001 (l1), 0.1 (confidence)."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Check the parameters; the data stay as they are."""
        # NaN is neither.
        if not 0 <= self._strength() < math.inf:
            raise InputError(f"strength of regularization must be finite and at least 0, got {self.strength}")
        return data

    def penalty(
        self, model: torch.nn.Module, batch: Part, logits: torch.Tensor, run: TrainingRun
    ) -> torch.Tensor | None:
        """``strength`` times the penalty."""
        if self.kind == "confidence":
            # What protections joined has its own purpose, which confidence may serve.
            logs = functional.log_softmax(logits[: run.drawn], dim=1)
            return self._strength() * (logs.exp() * logs).sum(dim=1).mean()
        weights = [weight for weight in model.parameters() if weight.ndim > 1 and weight.requires_grad]
        size = torch.Tensor.square if self.kind == "l2" else torch.Tensor.abs
        return self._strength() * torch.stack([size(weight).sum() for weight in weights]).sum() if weights else None

    def _strength(self) -> float:
        return SUITED[self.kind] if self.strength is None else self.strength
