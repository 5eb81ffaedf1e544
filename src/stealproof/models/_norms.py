"""Normalisation between convolutions: over the batch, or within one image."""

from __future__ import annotations

from typing import Literal

import torch

from stealproof.errors import InputError

Norm = Literal["batch", "group"]
CHANNELS_A_GROUP = 8


def norm_layer(norm: Norm, channels: int) -> torch.nn.Module:
    """``batch`` trains fastest but ties the rows of a batch together, which per-example gradients can't have.

    ``group`` normalises within each image (groups of 8 channels, or one group when 8 does not divide them).
    """
    if norm == "batch":
        return torch.nn.BatchNorm2d(channels)
    if norm == "group":
        return torch.nn.GroupNorm(channels // CHANNELS_A_GROUP if channels % CHANNELS_A_GROUP == 0 else 1, channels)
    raise InputError(f"norm must be 'batch' or 'group', got {norm!r}")
