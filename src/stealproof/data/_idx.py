"""The idx format of MNIST and its relatives: images and labels as gzipped bytes with a short header."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.data._files import Official
from stealproof.data._images import scaled
from stealproof.errors import InvalidData
from stealproof.oracle import Domain
from stealproof.roles.dataset import Raw

UNSIGNED_BYTE = 8
"""The type code of the only element type that these data sets use."""


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in a gzipped idx file of unsigned bytes.

    Raises:
        InvalidData: the file is no gzip, is cut short, or its header does not fit its length.
    """
    try:
        with gzip.open(path, "rb") as file:
            content = file.read()
    except (EOFError, OSError, zlib.error) as error:
        raise InvalidData(f"{path} is damaged or cut short ({error}); expected a complete gzipped idx file") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTE or not 1 <= content[3] <= 3:
        raise InvalidData(f"{path} does not start like an idx file of bytes, got {content[:4].hex() or 'nothing'}")
    axes = content[3]
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes))
    expected = int(np.prod(shape, dtype=np.int64))
    if len(content) - start != expected:
        raise InvalidData(
            f"{path} is cut short or damaged: its header promises {expected} bytes for shape {shape},"
            f" got {max(0, len(content) - start)}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def read_pair(images: Path, labels: Path, *, size: int, grey: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Images ``(n, channels, size, size)`` float32 in [0, 1] and labels ``(n,)`` int64."""
    x, y = read_idx(images), read_idx(labels)
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise InvalidData(f"{images} and {labels} do not belong together, got shapes {x.shape} and {y.shape}")
    return scaled(x[:, None], size=size, grey=grey), torch.from_numpy(y.astype(np.int64))


def read_four(files: Official, *, size: int, grey: bool) -> Raw:
    """The four files of MNIST or of one of its drop-in replacements."""
    names = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    paths = [files.path(name) for name in names]
    x, y = read_pair(paths[0], paths[1], size=size, grey=grey)
    test_x, test_y = read_pair(paths[2], paths[3], size=size, grey=grey)
    return Raw(x=x, y=y, test_x=test_x, test_y=test_y, classes=10, domain=image_domain(x))


def image_domain(x: Any) -> Domain:
    """The box [0, 1] of the shape of these images ``(n, channels, height, width)``."""
    return Domain(shape=tuple(x.shape[1:]))
