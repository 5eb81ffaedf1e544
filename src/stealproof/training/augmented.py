"""Images moved aside by whole pixels: the oldest augmentation."""

from __future__ import annotations

import math

import torch

from stealproof.errors import InvalidData
from stealproof.roles.dataset import Part

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))
"""Right, left, down, up."""


def augmented(part: Part, low: float) -> Part:
    """The images of ``part``, and all of them moved by one pixel in each direction, with their labels.

    Args:
        part: images ``(n, channels, height, width)``.
        low: what comes in from the edges; an infinite one reads as 0.

    Raises:
        InvalidData: rows that are no images.
    """
    if part.x.ndim != 4:
        raise InvalidData(f"only images (n, channels, height, width) can be moved aside, got {tuple(part.x.shape)}")
    moved = [moved_aside(part.x, down, right, low) for down, right in DIRECTIONS]
    return Part(x=torch.cat([part.x, *moved]), y=torch.cat([part.y] * (1 + len(moved))))


def moved_aside(x: torch.Tensor, down: int, right: int, low: float) -> torch.Tensor:
    """Images ``(n, channels, height, width)`` moved by so many pixels, ``low`` coming in from the edges."""
    moved = torch.full_like(x, low if math.isfinite(low) else 0.0)
    height, width = x.shape[2:]
    to, start = slice(max(0, down), height + min(0, down)), slice(max(0, -down), height - max(0, down))
    over, begin = slice(max(0, right), width + min(0, right)), slice(max(0, -right), width - max(0, right))
    moved[:, :, to, over] = x[:, :, start, begin]
    return moved
