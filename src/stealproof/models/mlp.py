"""Multilayer perceptron with ReLU, for tabular data and small images."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.models._initialise import draw_weights
from stealproof.roles.architecture import NetworkFamily
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class Mlp(NetworkFamily):
    """``depth`` hidden layers of ``width`` units."""

    source = Source(
        authors="Rumelhart, Hinton, Williams",
        title="Learning representations by back-propagating errors",
        venue="Nature 323",
        year=1986,
        url="https://doi.org/10.1038/323533a0",
    )
    width: int = 128
    depth: int = 1

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        """Linear and ReLU layers on the flattened input; 784-128-10 has 101,770 parameters."""
        layers: list[torch.nn.Module] = [torch.nn.Flatten()]
        inputs = int(torch.Size(shape).numel())
        for _ in range(self.depth):
            layers += [torch.nn.Linear(inputs, self.width), torch.nn.ReLU()]
            inputs = self.width
        layers.append(torch.nn.Linear(inputs, classes))
        return draw_weights(torch.nn.Sequential(*layers), generator)
