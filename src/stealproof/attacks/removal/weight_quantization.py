"""Weight quantization: round each layer's weights to a few values."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.removal._network import between, weight_matrices
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class WeightQuantization(Removal):
    """Affine quantization of each weight tensor, section 2.1 of the paper: evenly spaced values, zero among them."""

    source = Source(
        authors="Jacob, Kligys, Chen, Zhu, Tang, Howard, Adam, Kalenichenko",
        title="Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
        venue="CVPR",
        year=2018,
        url="https://arxiv.org/abs/1712.05877",
    )
    departure = (
        "weights are rounded to the quantized values but stored as floats, and activations are not quantized, since"
        " this is about washing, not about speed"
    )
    bits: int = 8
    """Bits of a weight: each tensor takes at most 2 ** bits values; 1 to 16."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        between("bits", self.bits, 1, 16)
        with torch.no_grad():
            for weight in weight_matrices(washing.model):
                weight.copy_(quantized(weight, self.bits))
        return washing.model


def quantized(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """``weight``, each value rounded to one of ``2 ** bits`` evenly spaced ones, which reach from least to largest."""
    low, high = weight.min().clamp(max=0), weight.max().clamp(min=0)
    last = 2**bits - 1
    step = (high - low) / last
    if step == 0:
        return weight.clone()
    # The grid is moved so that zero lies on it: pruned weights stay pruned.
    zero = (-low / step).round()
    places: torch.Tensor = (weight / step + zero).round().clamp(0, last)
    rounded: torch.Tensor = (places - zero) * step
    return rounded
