"""Modules in front of a stolen network that change its inputs a little, within the legal range.

Each knows its constructor arguments (``arguments``), so that a network with such modules can be written to a file.
Rounding has no gradient: a removal that follows gradients (adversarial_training, neural_laundering) comes first in a
stack, not behind these.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch.nn import functional

from stealproof import seeds
from stealproof.attacks.removal._jpeg import through_jpeg
from stealproof.attacks.removal._network import between
from stealproof.errors import InputError
from stealproof.oracle import Domain

Kind = Literal["mean", "median", "gaussian"]


class Preprocessor(torch.nn.Module):
    """From inputs ``(n, *shape)`` in ``[low, high]`` to inputs of the same shape in the same range."""

    def __init__(self, *, low: float, high: float, **arguments: Any) -> None:
        super().__init__()
        if not -math.inf < low < high < math.inf:
            raise InputError(
                f"a preprocessor needs inputs between bounds, got [{low:g}, {high:g}]: scale the data to a range"
            )
        self.low, self.high = float(low), float(high)
        self.arguments: Mapping[str, Any] = {"low": self.low, "high": self.high, **arguments}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Process in units of the range's width, ``[0, 1]``, and return to the inputs' own."""
        width = self.high - self.low
        return (self._process((x - self.low) / width) * width + self.low).clamp(self.low, self.high)

    def _process(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class NoisedInput(Preprocessor):
    """Gaussian noise that a secret key and the input's own bytes decide.

    The same input gets the same noise, whatever the batch, so that nobody sees the network contradict itself; a
    slightly different input gets another noise altogether.
    """

    def __init__(self, *, deviation: float, key: int, low: float, high: float) -> None:
        super().__init__(low=low, high=high, deviation=deviation, key=key)
        between("deviation", deviation, 0, 1)
        self.deviation, self.key = deviation, key

    def _process(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.detach().to(device="cpu", dtype=torch.float32).numpy()
        names = (hashlib.sha256(row.tobytes()).hexdigest() for row in rows)
        drawn = [seeds.rng(self.key, "input noise", name).standard_normal(x.shape[1:]) for name in names]
        noise = torch.stack([torch.from_numpy(one) for one in drawn]) if drawn else torch.zeros(x.shape)
        return x + self.deviation * noise.to(device=x.device, dtype=x.dtype)


class SmoothedInput(Preprocessor):
    """Images ``(n, channels, height, width)`` whose pixels are replaced by the middle of their neighbours."""

    def __init__(self, *, kind: Kind, size: int, deviation: float, low: float, high: float) -> None:
        super().__init__(low=low, high=high, kind=kind, size=size, deviation=deviation)
        if kind not in get_args(Kind):
            raise InputError(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
        between("size", size, 1, 31)
        between("deviation", deviation, 0.05, 10)
        if size % 2 == 0:
            raise InputError(f"size must be odd, so that a pixel is in the middle of its neighbours, got {size}")
        self.kind, self.size, self.deviation = kind, size, deviation

    def _process(self, x: torch.Tensor) -> torch.Tensor:
        radius = math.ceil(3 * self.deviation) if self.kind == "gaussian" else self.size // 2
        side = 2 * radius + 1
        padded = functional.pad(x, (radius,) * 4, mode="replicate")
        if self.kind == "median":
            neighbours = padded.unfold(2, side, 1).unfold(3, side, 1).flatten(4)
            middle: torch.Tensor = neighbours.median(dim=4).values
            return middle
        weights = torch.ones(side, dtype=x.dtype, device=x.device)
        if self.kind == "gaussian":
            places = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
            weights = (-(places**2) / (2 * self.deviation**2)).exp()
        weights = weights / weights.sum()
        kernel = (weights[:, None] * weights).expand(x.shape[1], 1, side, side)
        return functional.conv2d(padded, kernel, groups=x.shape[1])


class CompressedInput(Preprocessor):
    """Images ``(n, channels, height, width)`` as they come out of a JPEG file."""

    def __init__(self, *, quality: int, low: float, high: float) -> None:
        super().__init__(low=low, high=high, quality=quality)
        between("quality", quality, 1, 100)
        self.quality = quality

    def _process(self, x: torch.Tensor) -> torch.Tensor:
        return through_jpeg(x, self.quality)


class SqueezedInput(Preprocessor):
    """Every value rounded to one of ``2 ** bits`` evenly spaced ones."""

    def __init__(self, *, bits: int, low: float, high: float) -> None:
        super().__init__(low=low, high=high, bits=bits)
        between("bits", bits, 1, 16)
        self.bits = bits

    def _process(self, x: torch.Tensor) -> torch.Tensor:
        last = 2**self.bits - 1
        squeezed: torch.Tensor = (x * last).round() / last
        return squeezed


PREPROCESSORS: Mapping[str, type[Preprocessor]] = {
    kind.__name__: kind for kind in (NoisedInput, SmoothedInput, CompressedInput, SqueezedInput)
}


def in_front(front: Preprocessor, model: torch.nn.Module) -> torch.nn.Module:
    """The network that processes its input first."""
    return torch.nn.Sequential(front, *(model if isinstance(model, torch.nn.Sequential) else [model]))


def check_images(domain: Domain, name: str) -> None:
    """Raise ``InputError`` unless the inputs are images ``(channels, height, width)``."""
    if len(domain.shape) != 3:
        raise InputError(f"{name} needs images (channels, height, width), got inputs of shape {domain.shape}")
