"""What JPEG does to an image: cosine transform of 8x8 blocks, rounded coefficients, and back (ITU-T T.81)."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

BLOCK = 8
LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Steps of brightness coefficients at quality 50 (annex K of the standard)."""
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)
"""The same for the two channels of colour."""
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""From red, green, blue to brightness and colour differences (JFIF 1.02)."""


def through_jpeg(x: torch.Tensor, quality: int) -> torch.Tensor:
    """Images ``(n, channels, height, width)`` in 0..1, encoded at ``quality`` (1 to 100) and decoded again.

    Three channels are red, green and blue, without subsampling of colour; any other number are channels of
    brightness. What follows the rounding in a file is lossless, so it is left out.
    """
    pixels = (x * 255).round()
    if x.shape[1] != 3:
        return (_blockwise(pixels - 128, _steps(LUMINANCE, quality, x)) + 128).round().clamp(0, 255) / 255
    mix = torch.tensor(TO_YCC, dtype=x.dtype, device=x.device)
    ycc = torch.einsum("ij,njhw->nihw", mix, pixels)
    ycc[:, 0] -= 128
    brightness = _blockwise(ycc[:, :1].round(), _steps(LUMINANCE, quality, x))
    colour = _blockwise(ycc[:, 1:].round(), _steps(CHROMINANCE, quality, x))
    ycc = torch.cat([brightness + 128, colour], dim=1).round()
    back = torch.linalg.inv(mix.double()).to(x.dtype)
    return torch.einsum("ij,njhw->nihw", back, ycc).round().clamp(0, 255) / 255


def _steps(table: tuple[tuple[int, ...], ...], quality: int, like: torch.Tensor) -> torch.Tensor:
    """Quantization steps ``(8, 8)`` as the Independent JPEG Group's library scales them."""
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    steps = torch.tensor(table, dtype=torch.float64) * math.floor(scale)
    return ((steps + 50) / 100).floor().clamp(1, 255).to(dtype=like.dtype, device=like.device)


def _blockwise(pixels: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Round the cosine coefficients of every block to multiples of ``steps``."""
    n, channels, height, width = pixels.shape
    down, right = -height % BLOCK, -width % BLOCK
    padded = functional.pad(pixels, (0, right, 0, down), mode="replicate")
    rows, columns = (height + down) // BLOCK, (width + right) // BLOCK
    blocks = padded.reshape(n, channels, rows, BLOCK, columns, BLOCK).transpose(3, 4)
    cosines = _cosines(pixels)
    coefficients = cosines @ blocks @ cosines.T
    restored = cosines.T @ ((coefficients / steps).round() * steps) @ cosines
    whole = restored.transpose(3, 4).reshape(n, channels, height + down, width + right)
    return whole[:, :, :height, :width]


def _cosines(like: torch.Tensor) -> torch.Tensor:
    """The orthonormal matrix ``(8, 8)`` of the discrete cosine transform: rows are frequencies."""
    place = torch.arange(BLOCK, dtype=torch.float64)
    matrix = (math.pi * (2 * place + 1) * place[:, None] / (2 * BLOCK)).cos() * math.sqrt(2 / BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix.to(dtype=like.dtype, device=like.device)
