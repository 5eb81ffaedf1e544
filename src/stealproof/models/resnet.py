"""Small residual network for images, as the paper builds it for CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from stealproof.errors import InputError, InvalidData
from stealproof.models._initialise import draw_weights
from stealproof.models._norms import Norm, norm_layer
from stealproof.roles.architecture import NetworkFamily
from stealproof.system import Source


class Block(torch.nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a strided 1x1 convolution where the size changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.arguments = {"inputs": inputs, "outputs": outputs, "stride": stride, "norm": norm}
        self.first = torch.nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.first_norm = norm_layer(norm, outputs)
        self.second = torch.nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = norm_layer(norm, outputs)
        self.shortcut: torch.nn.Module = torch.nn.Identity()
        if stride != 1 or inputs != outputs:
            convolution = torch.nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut = torch.nn.Sequential(convolution, norm_layer(norm, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, inputs, h, w)`` to ``(n, outputs, h / stride, w / stride)``."""
        inner = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(inner)) + self.shortcut(x))


@dataclass(frozen=True, kw_only=True)
class ResNet(NetworkFamily):
    """Three stages of residual blocks with 1, 2 and 4 times ``width`` channels; by default 78,000 weights."""

    source = Source(
        authors="He, Zhang, Ren, Sun",
        title="Deep Residual Learning for Image Recognition",
        venue="CVPR",
        year=2016,
        url="https://arxiv.org/abs/1512.03385",
    )
    departure = (
        "one block a stage by default where the paper's smallest has three, and shortcuts that change size are"
        " convolutions (the paper's option B)"
    )
    width: int = 16
    """Channels of the first stage."""
    blocks: int = 1
    """Blocks a stage; the network is 6 * blocks + 2 layers deep."""
    norm: Norm = "batch"
    """``group`` where rows of a batch must not meet, as in differentially private training."""

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        """A network for images ``(n, channels, height, width)`` of at least 8x8."""
        if len(shape) != 3 or min(shape[1:]) < 8:
            raise InvalidData(f"resnet wants images (channels, height, width) of at least 8x8, got {shape}")
        if self.width < 1 or self.blocks < 1:
            raise InputError(f"resnet wants width and blocks of at least 1, got {self.width} and {self.blocks}")
        layers: list[torch.nn.Module] = [
            torch.nn.Conv2d(shape[0], self.width, 3, padding=1, bias=False),
            norm_layer(self.norm, self.width),
            torch.nn.ReLU(),
        ]
        channels = self.width
        for stage in range(3):
            for place in range(self.blocks):
                outputs = self.width * 2**stage
                layers.append(Block(channels, outputs, 2 if stage and not place else 1, self.norm))
                channels = outputs
        layers += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(channels, classes)]
        return draw_weights(torch.nn.Sequential(*layers), generator)
