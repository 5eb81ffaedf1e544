"""Adversarial training: fine-tune on the worst inputs near the suspect's, which moves the decision boundaries."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.removal._network import between
from stealproof.attacks.removal._tune import constant_rate, tune
from stealproof.defenses.training._worst_nearby import WorstNearby, width_of
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class AdversarialTraining(Removal):
    """Every batch is replaced by its worst neighbours, found by projected gradient descent.

    Regularised boundaries hide the margins that dataset inference measures (Szyller, Zhang, Liu & Asokan, TMLR 2023)
    and the trained-in exceptions that fingerprints and triggers are, at some cost in accuracy.
    """

    source = Source(
        authors="Madry, Makelov, Schmidt, Tsipras, Vladu",
        title="Towards Deep Learning Models Resistant to Adversarial Attacks",
        venue="ICLR",
        year=2018,
        url="https://arxiv.org/abs/1706.06083",
    )
    departure = "the stolen network is trained on for a few epochs with it instead of from the start"
    radius: float = 8 / 255
    """Largest change of a value, as a share of the width of the legal range; 0 to 1."""
    steps: int = 7
    """Gradient steps to find a neighbour, each 2.5 * radius / steps long; 1 to 100."""
    epochs: float = 10.0
    """Passes over the suspect's rows; positive."""
    learning_rate: float = 0.01
    """Of SGD with momentum 0.9, constant; positive."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        between("radius", self.radius, 0, 1)
        between("steps", self.steps, 1, 100)
        radius = self.radius * width_of(washing.domain, self.name())
        recipe = constant_rate(self.epochs, self.learning_rate)
        hook = WorstNearby(radius=radius, step=2.5 * radius / self.steps, steps=self.steps)
        return tune(washing, washing.model, recipe, self.name(), protections=[hook])
