"""Weight noise: add Gaussian noise to the stolen network's weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.removal._network import between, weight_matrices
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class WeightNoise(Removal):
    """Each weight tensor gets noise in proportion to its own standard deviation; biases stay."""

    source = Source(
        authors="Murray, Edwards",
        title="Enhanced MLP performance and fault tolerance resulting from synaptic weight noise during training",
        venue="IEEE Transactions on Neural Networks 5(5)",
        year=1994,
        url="https://doi.org/10.1109/72.317730",
    )
    departure = (
        "the noise is added once, after training, in proportion to a layer's spread instead of to each weight: a"
        " suspect wants to move the weights, not to learn to live with noise"
    )
    scale: float = 0.2
    """Standard deviation of the noise as a share of that of the layer's weights; 0 to 10."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        between("scale", self.scale, 0, 10)
        generator = washing.generator(self.name())
        with torch.no_grad():
            for weight in weight_matrices(washing.model):
                noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
                weight.add_(noise * weight.std(correction=0), alpha=self.scale)
        return washing.model
