"""The generator of a data-free thief: from noise to inputs that are legal after squashing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from stealproof.models._initialise import draw_weights
from stealproof.oracle import Domain


class ImageGenerator(nn.Module):
    """A linear layer to a quarter of the size, two doublings and a last convolution (Truong et al. 2021)."""

    def __init__(self, latent: int, width: int, shape: tuple[int, int, int]) -> None:
        """``shape`` is (channels, height, width) of an image; ``width`` the channels before the last convolution."""
        super().__init__()
        channels, self._height, self._width = shape
        self._start = (2 * width, -(-self._height // 4), -(-self._width // 4))
        self.project = nn.Linear(latent, int(np.prod(self._start)))
        self.body = nn.Sequential(
            nn.BatchNorm2d(2 * width),
            nn.Upsample(scale_factor=2),
            *_block(2 * width, 2 * width),
            nn.Upsample(scale_factor=2),
            *_block(2 * width, width),
            nn.Conv2d(width, channels, 3, padding=1),
            # Keeps tanh out of saturation, where no difference would show.
            nn.BatchNorm2d(channels, affine=False),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """From noise ``(n, latent)`` to images ``(n, *shape)`` before squashing."""
        image: torch.Tensor = self.body(self.project(z).view(-1, *self._start))
        return image[:, :, : self._height, : self._width]


def _block(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)


class RowGenerator(nn.Module):
    """Two hidden layers, for tabular rows and whatever else is no image."""

    def __init__(self, latent: int, width: int, shape: tuple[int, ...]) -> None:
        """``width`` is the number of units of each hidden layer."""
        super().__init__()
        self._shape = shape
        outputs = int(np.prod(shape))
        self.body = nn.Sequential(
            *(nn.Linear(latent, width), nn.BatchNorm1d(width), nn.LeakyReLU(0.2)),
            *(nn.Linear(width, width), nn.BatchNorm1d(width), nn.LeakyReLU(0.2)),
            *(nn.Linear(width, outputs), nn.BatchNorm1d(outputs, affine=False)),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """From noise ``(n, latent)`` to rows ``(n, *shape)`` before squashing."""
        rows: torch.Tensor = self.body(z)
        return rows.view(-1, *self._shape)


def build_generator(shape: tuple[int, ...], *, latent: int, width: int, generator: torch.Generator) -> nn.Module:
    """An untrained generator of inputs ``(n, *shape)``, its weights drawn from ``generator``, in training mode."""
    # PyTorch's layers draw their first weights from the global generator, which is nobody's business here.
    with torch.random.fork_rng(devices=[]):
        if len(shape) == 3:
            network: nn.Module = ImageGenerator(latent, width, (shape[0], shape[1], shape[2]))
        else:
            network = RowGenerator(latent, 4 * width, shape)
        return draw_weights(network, generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Squashing:
    """From a generator's unbounded outputs to legal inputs: tanh onto the box, categories to their nearest value."""

    domain: Domain

    def __call__(self, raw: torch.Tensor) -> torch.Tensor:
        """Inputs ``(n, *shape)`` inside the domain; an unbounded side of the box reads as ±1, as in ``uniform``."""
        low = self.domain.low if np.isfinite(self.domain.low) else -1.0
        high = self.domain.high if np.isfinite(self.domain.high) else 1.0
        x = (low + (high - low) * (raw.tanh() + 1) / 2).clamp(low, high)
        for column, values in self.domain.levels.items():
            levels = torch.tensor(values, dtype=x.dtype)
            x[:, column] = levels[(x[:, column, None] - levels).abs().argmin(dim=1)]
        return x

    def movable(self) -> torch.Tensor:
        """``(*shape)``: 1 where a small change of the output changes the input, 0 in categorical columns."""
        mask = torch.ones(self.domain.shape)
        mask[list(self.domain.levels)] = 0.0
        return mask
