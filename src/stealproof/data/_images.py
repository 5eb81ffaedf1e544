"""Images in memory: bytes to [0, 1], another size, grey or coloured, so that one set can be another's foreign pool."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from stealproof.errors import InputError

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""
ROWS_AT_ONCE = 4096
"""Images resized in one call; bounds the memory of the copy."""


def scaled(x: NDArray[Any], *, size: int, grey: bool) -> torch.Tensor:
    """Bytes ``(n, channels, height, width)`` as float32 ``(n, 1 or 3, size, size)`` in [0, 1].

    Args:
        x: unsigned bytes with 1 or 3 channels.
        size: height and width of the result; resized bilinearly with antialiasing when it differs.
        grey: one channel (luma of BT.601) if true, else three (a grey image three times).
    """
    if size < 1:
        raise InputError(f"size must be at least 1 pixel, got {size}")
    channels = 1 if grey else 3
    out = torch.empty(len(x), channels, size, size)
    for start in range(0, len(x), ROWS_AT_ONCE):
        part = torch.from_numpy(np.array(x[start : start + ROWS_AT_ONCE])).float().div_(255)
        if part.shape[1] == 3 and grey:
            part = (part * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        if part.shape[-2:] != (size, size):
            part = functional.interpolate(part, size=(size, size), mode="bilinear", antialias=True)
        out[start : start + len(part)] = part.clamp_(0, 1)
    return out
