"""LeNet-class convolutional network for small images."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.errors import InvalidData
from stealproof.models._initialise import draw_weights
from stealproof.roles.architecture import NetworkFamily
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class LeNet(NetworkFamily):
    """Two convolutions with max-pooling and one hidden layer; 28x28 images and the defaults give 225,034 parameters."""

    source = Source(
        authors="LeCun, Bottou, Bengio, Haffner",
        title="Gradient-based learning applied to document recognition",
        venue="Proceedings of the IEEE 86(11)",
        year=1998,
        url="https://doi.org/10.1109/5.726791",
    )
    departure = "ReLU and max-pooling in place of tanh, subsampling and radial basis functions, as everyone does now"
    width: int = 32
    """Channels of the first convolution; the second has twice as many."""
    hidden: int = 128

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        """A network for images ``(n, channels, height, width)`` of at least 12x12."""
        if len(shape) != 3 or min(shape[1:]) < 12:
            raise InvalidData(f"lenet wants images (channels, height, width) of at least 12x12, got {shape}")
        channels, height, width = shape
        final = ((height - 2) // 2 - 2) // 2 * (((width - 2) // 2 - 2) // 2)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(channels, self.width, 3),
            # Pooling before the ReLU is the same function as after it, at a quarter of the ReLU's work.
            torch.nn.MaxPool2d(2),
            torch.nn.ReLU(),
            torch.nn.Conv2d(self.width, 2 * self.width, 3),
            torch.nn.MaxPool2d(2),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(2 * self.width * final, self.hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(self.hidden, classes),
        )
        return draw_weights(model, generator)
