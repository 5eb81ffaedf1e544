"""Weight shifting: move every filter away from the filters' mean, add noise, and fine-tune."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.removal._network import between, last_layer, weight_matrices
from stealproof.attacks.removal._tune import constant_rate, tune
from stealproof.errors import InputError
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class WeightShifting(Removal):
    """Change all convolutions at once, then let a few epochs repair what the task needs."""

    source = Source(
        authors="Lukas, Jiang, Li, Kerschbaum",
        title="SoK: How Robust is Image Classification Deep Neural Network Watermarking?",
        venue="IEEE S&P",
        year=2022,
        url="https://arxiv.org/abs/2108.04974",
    )
    departure = (
        "a network without convolutions has its hidden linear layers shifted instead, so that perceptrons can be"
        " washed, too"
    )
    shift: float = 1.5
    """How many times the mean over a layer's filters is subtracted from each filter (lambda); 0 to 10."""
    noise: float = 1.0
    """Standard deviation of the noise as a share of that of the layer's weights; 0 to 10."""
    epochs: float = 10.0
    """Passes over the suspect's rows; positive."""
    learning_rate: float = 0.01
    """Of SGD with momentum 0.9, constant; positive."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        between("shift", self.shift, 0, 10)
        between("noise", self.noise, 0, 10)
        recipe = constant_rate(self.epochs, self.learning_rate)
        generator = washing.generator(self.name(), "noise")
        with torch.no_grad():
            for weight in _shifted(washing.model):
                noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype) * weight.std(correction=0)
                weight.sub_(self.shift * weight.mean(dim=0, keepdim=True) + self.noise * noise)
        return tune(washing, washing.model, recipe, self.name())


def _shifted(model: torch.nn.Module) -> list[torch.Tensor]:
    """Weights of all convolutions, ``(filters, ...)``, or of the linear layers but the last."""
    weights = weight_matrices(model)
    convolutions = [weight for weight in weights if weight.ndim > 2]
    hidden = convolutions or [weight for weight in weights if weight is not last_layer(model).weight]
    if not hidden:
        raise InputError("weight_shifting needs a convolution or a hidden layer, and this network has neither")
    return hidden
