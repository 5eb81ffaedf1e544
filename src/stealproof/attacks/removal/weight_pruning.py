"""Weight pruning: set the smallest weights of the stolen network to zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from stealproof.attacks.removal._network import between, weight_matrices
from stealproof.errors import InputError
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class WeightPruning(Removal):
    """Zero the given share of the weights of linear and convolutional layers, by magnitude; biases stay."""

    source = Source(
        authors="Han, Pool, Tran, Dally",
        title="Learning both Weights and Connections for Efficient Neural Networks",
        venue="NeurIPS",
        year=2015,
        url="https://arxiv.org/abs/1506.02626",
    )
    departure = (
        "the share is given instead of a threshold for each layer, and nothing is retrained: stack fine_tuning behind"
        " it for that"
    )
    share: float = 0.5
    """Share of the weights to zero; 0 to 1."""
    scope: Literal["global", "layer"] = "global"
    """Whether magnitudes are ranked over the whole network or within each layer."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        between("share", self.share, 0, 1)
        if self.scope not in ("global", "layer"):
            raise InputError(f"scope must be 'global' or 'layer', got {self.scope!r}")
        weights = weight_matrices(washing.model)
        for group in [weights] if self.scope == "global" else [[weight] for weight in weights]:
            _zero_smallest(group, self.share)
        return washing.model


def _zero_smallest(weights: list[torch.Tensor], share: float) -> None:
    """Set exactly ``share`` of all these weights, rounded, to zero; of equal ones the first."""
    sizes = torch.cat([weight.detach().abs().flatten() for weight in weights])
    kept = torch.ones(len(sizes), dtype=torch.bool)
    kept[sizes.argsort(stable=True)[: round(share * len(sizes))]] = False
    with torch.no_grad():
        for weight, mask in zip(weights, kept.split([weight.numel() for weight in weights]), strict=True):
            weight.mul_(mask.view_as(weight))
