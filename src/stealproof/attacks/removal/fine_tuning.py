"""Fine-tuning: train the stolen network on, all of it or its last layer, which may be drawn anew first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from stealproof.attacks.removal._network import features, last_layer
from stealproof.attacks.removal._tune import constant_rate, tune
from stealproof.errors import InputError
from stealproof.models._initialise import draw_weights
from stealproof.roles.dataset import Part
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class FineTuning(Removal):
    """The four ways of Adi et al., section 5.4 of the paper.

    ``layers`` last or all, without and with ``fresh_head``, are FTLL, FTAL, RTLL and RTAL. When only the last layer
    is trained, the layers below it run in evaluation mode: statistics of batch normalisations stay the stolen ones,
    too, as everything else but the last layer.
    """

    source = Source(
        authors="Adi, Baum, Cisse, Pinkas, Keshet",
        title="Turning Your Weakness Into a Strength: Watermarking Deep Neural Networks by Backdooring",
        venue="USENIX Security",
        year=2018,
        url="https://arxiv.org/abs/1802.04633",
    )
    layers: Literal["last", "all"] = "all"
    """Which layers are trained."""
    fresh_head: bool = False
    """Whether the last layer is drawn anew before (RTLL, RTAL)."""
    epochs: float = 20.0
    """Passes over the suspect's rows; positive."""
    learning_rate: float = 0.001
    """Of SGD with momentum 0.9, constant; positive."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        if self.layers not in ("last", "all"):
            raise InputError(f"layers must be 'last' or 'all', got {self.layers!r}")
        recipe = constant_rate(self.epochs, self.learning_rate)
        model = washing.model
        if self.layers == "all" and not self.fresh_head:
            return tune(washing, model, recipe, self.name())
        head = last_layer(model)
        read = features(model, head, washing.data.x)
        if self.fresh_head:
            draw_weights(head, washing.generator(self.name(), "head"))
        if self.layers == "all":
            return tune(washing, model, recipe, self.name())
        # Training the layer on what it reads is training it alone, without a pass through the others in every epoch.
        tuned = tune(washing, head, recipe, self.name(), data=Part(x=read, y=washing.data.y))
        head.load_state_dict(tuned.state_dict())
        return model
