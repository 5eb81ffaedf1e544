"""Retraining: train a network from scratch on the labels that the stolen network gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from stealproof.attacks.removal._network import logits
from stealproof.attacks.removal._tune import Architecture, student, tune
from stealproof.errors import InputError
from stealproof.roles.dataset import Part
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class Retraining(Removal):
    """The suspect's rows, labelled by the stolen network, for a fresh network of the same or another architecture.

    In the paper's words: retraining (hard labels), smooth retraining (soft ones), cross-architecture retraining.
    """

    source = Source(
        authors="Lukas, Jiang, Li, Kerschbaum",
        title="SoK: How Robust is Image Classification Deep Neural Network Watermarking?",
        venue="IEEE S&P",
        year=2022,
        url="https://arxiv.org/abs/2108.04974",
    )
    departure = "the recipe is the one measured to suit the architecture and the number of rows, not 60 epochs of SGD"
    labels: Literal["hard", "soft"] = "hard"
    """What the stolen network tells of a row: its class, or a probability for every class."""
    architecture: Architecture = "same"
    """The new network's layers: those of the stolen network, or a family with its defaults."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        if self.labels not in ("hard", "soft"):
            raise InputError(f"labels must be 'hard' or 'soft', got {self.labels!r}")
        start, recipe = student(washing, self.architecture, self.name())
        answers = logits(washing.model, washing.data.x)
        told = answers.argmax(dim=1) if self.labels == "hard" else answers.softmax(dim=1)
        return tune(washing, start, recipe, self.name(), data=Part(x=washing.data.x, y=told))
