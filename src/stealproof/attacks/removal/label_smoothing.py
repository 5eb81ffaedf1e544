"""Label smoothing: fine-tune the stolen network towards less certain answers."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.removal._network import between
from stealproof.attacks.removal._tune import constant_rate, tune
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(Removal):
    """Part of each label's mass is spread evenly over all classes (section 7 of the paper)."""

    source = Source(
        authors="Szegedy, Vanhoucke, Ioffe, Shlens, Wojna",
        title="Rethinking the Inception Architecture for Computer Vision",
        venue="CVPR",
        year=2016,
        url="https://arxiv.org/abs/1512.00567",
    )
    departure = "the stolen network is trained on with smoothed labels instead of from the start"
    smoothing: float = 0.1
    """Mass that is spread over all classes; 0 to 1."""
    epochs: float = 10.0
    """Passes over the suspect's rows; positive."""
    learning_rate: float = 0.01
    """Of SGD with momentum 0.9, constant; positive."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        between("smoothing", self.smoothing, 0, 1)
        recipe = constant_rate(self.epochs, self.learning_rate, label_smoothing=self.smoothing)
        return tune(washing, washing.model, recipe, self.name())
