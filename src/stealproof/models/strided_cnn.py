"""Strided convolutional network: convolutions that halve the image in place of pooling; small and fast on a CPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.errors import InputError, InvalidData
from stealproof.models._initialise import draw_weights
from stealproof.models._norms import Norm, norm_layer
from stealproof.roles.architecture import NetworkFamily
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class StridedCnn(NetworkFamily):
    """One 3x3 convolution at full size, then three that halve it, then one linear layer; 71,000 weights at 28x28."""

    source = Source(
        authors="Springenberg, Dosovitskiy, Brox, Riedmiller",
        title="Striving for Simplicity: The All Convolutional Net",
        venue="ICLR workshop",
        year=2015,
        url="https://arxiv.org/abs/1412.6806",
    )
    departure = "batch normalisation and a linear layer at the end, with far fewer channels"
    widths: tuple[int, ...] = (16, 32, 64, 64)
    """Channels of each convolution; all but the first have stride 2."""
    norm: Norm = "batch"
    """``group`` where rows of a batch must not meet, as in differentially private training."""

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        """A network for images ``(n, channels, height, width)`` of at least 8x8."""
        if len(shape) != 3 or min(shape[1:]) < 8:
            raise InvalidData(f"strided_cnn wants images (channels, height, width) of at least 8x8, got {shape}")
        if not self.widths or min(self.widths) < 1:
            raise InputError(f"strided_cnn wants at least one width, each 1 or more, got {self.widths}")
        channels, height, width = shape
        layers: list[torch.nn.Module] = []
        for place, outputs in enumerate(self.widths):
            stride = 2 if place else 1
            layers += [
                torch.nn.Conv2d(channels, outputs, 3, stride=stride, padding=1, bias=False),
                norm_layer(self.norm, outputs),
                torch.nn.ReLU(),
            ]
            channels, height, width = outputs, -(-height // stride), -(-width // stride)
        layers += [torch.nn.Flatten(), torch.nn.Linear(channels * height * width, classes)]
        return draw_weights(torch.nn.Sequential(*layers), generator)
