"""The binary layout of CIFAR: rows of one or two label bytes and 3,072 bytes of red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from stealproof.data._images import scaled
from stealproof.errors import InvalidData

PIXELS = 3 * 32 * 32


def read_batches(
    paths: Sequence[Path], *, label_bytes: int, size: int, grey: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images ``(n, channels, size, size)`` float32 in [0, 1] and the last label byte of each ``(n,)`` int64."""
    rows = []
    for path in paths:
        content = np.fromfile(path, dtype=np.uint8)
        length = label_bytes + PIXELS
        if len(content) == 0 or len(content) % length:
            raise InvalidData(f"{path} is cut short: expected rows of {length} bytes, got {len(content)} bytes")
        rows.append(content.reshape(-1, length))
    table = np.concatenate(rows)
    images = table[:, label_bytes:].reshape(-1, 3, 32, 32)
    return scaled(images, size=size, grey=grey), torch.from_numpy(table[:, label_bytes - 1].astype(np.int64))
