"""What the readers of a user's own data share: one base class, and arrays that become checked tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import InvalidData
from stealproof.oracle import Domain, as_array
from stealproof.roles.dataset import DatasetLoader, Raw


@dataclass(frozen=True, kw_only=True)
class OwnData(DatasetLoader):
    """A user's own data. Subclasses read one kind of source."""

    path: str
    """Where the data are."""

    def title(self) -> str:
        """The file's name: paths differ between machines, data do not."""
        return Path(self.path).name

    def describe(self) -> dict[str, Any]:
        """Name and parameters without the path, for the same reason; the reader adds a hash of the content."""
        parameters = {key: value for key, value in self.parameters().items() if key != "path"}
        return {"name": self.title(), "parameters": parameters}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrays:
    """Arrays as a user gives them, before anything is checked."""

    x: Any
    y: Any = None
    test_x: Any = None
    test_y: Any = None
    pool_x: Any = None
    pool_y: Any = None


def raw_from_arrays(
    arrays: Arrays, *, classes: int | None, low: float, high: float, name: str, notes: dict[str, Any]
) -> Raw:
    """Checked tensors from arrays; ``classes`` None counts the labels, which then may have no holes.

    Raises:
        InvalidData: a dtype that is no number, labels that are no class numbers, halves of a pair missing.
    """
    if (arrays.test_x is None) != (arrays.test_y is None):
        raise InvalidData(f"{name} has test_x without test_y or the reverse; expected both or none")
    x = inputs_tensor(arrays.x, name=f"{name} x")
    test_x = None if arrays.test_x is None else inputs_tensor(arrays.test_x, name=f"{name} test_x")
    pool_x = None if arrays.pool_x is None else inputs_tensor(arrays.pool_x, name=f"{name} pool_x")
    if arrays.y is None:
        y, count = torch.zeros(len(x), dtype=torch.int64), 1
    else:
        y = labels_tensor(arrays.y, name=f"{name} y")
        count = classes or count_classes(y, name=name)
    pool_y = None
    if pool_x is not None:
        unlabelled = torch.zeros(len(pool_x), dtype=torch.int64)
        pool_y = unlabelled if arrays.pool_y is None else labels_tensor(arrays.pool_y, name=f"{name} pool_y")
    return Raw(
        x=x,
        y=y,
        test_x=test_x,
        test_y=None if arrays.test_y is None else labels_tensor(arrays.test_y, name=f"{name} test_y"),
        pool_x=pool_x,
        pool_y=pool_y,
        classes=count,
        domain=Domain(shape=tuple(x.shape[1:]), low=low, high=high),
        notes=notes,
    )


def inputs_tensor(value: Any, *, name: str) -> torch.Tensor:
    """Inputs ``(n, *shape)``: tables as float64, images as float32 ``(n, channels, height, width)``.

    Bytes (uint8) are divided by 255. Images without a channel axis get one; images whose channels (1 or 3) come last
    are turned round.
    """
    x = as_array(value)
    if x.dtype.kind not in "fiu":
        raise InvalidData(f"{name} has dtype {x.dtype}, expected numbers (float or uint8)")
    if x.ndim < 2:
        raise InvalidData(f"{name} has shape {x.shape}, expected rows: (n, columns) or (n, channels, height, width)")
    scale = 255.0 if x.dtype == np.uint8 else 1.0
    x = (x / np.float64(scale)).astype(np.float32 if x.ndim > 2 else np.float64)
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(x))


def labels_tensor(value: Any, *, name: str) -> torch.Tensor:
    """Labels ``(n,)`` int64, or targets ``(n, classes)`` float64 whose rows are distributions."""
    y = as_array(value)
    if y.dtype.kind == "f" and y.ndim == 2:
        if not np.isfinite(y).all() or y.min() < 0 or not np.allclose(y.sum(axis=1), 1.0, atol=1e-3):
            raise InvalidData(f"{name} has rows that are no distributions; expected values >= 0 that sum to 1")
        return torch.from_numpy(y.astype(np.float64))
    if y.ndim != 1:
        raise InvalidData(f"{name} has shape {y.shape}, expected one label for each row: (n,)")
    whole = y.dtype.kind in "iu" or (y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.round(y)).all())
    if not whole:
        raise InvalidData(f"{name} has labels of dtype {y.dtype} that are no class numbers, expected integers 0..C-1")
    return torch.from_numpy(y.astype(np.int64))


def count_classes(y: torch.Tensor, *, name: str) -> int:
    """The number of classes in labels that use each of 0..C-1.

    Raises:
        InvalidData: a label below 0, or a class that never occurs (which most often means labels from 1).
    """
    if y.ndim == 2:
        return int(y.shape[1])
    if len(y) == 0:
        raise InvalidData(f"{name} has no rows; expected at least 1")
    low, high = int(y.min()), int(y.max())
    if low < 0:
        raise InvalidData(f"{name} has the label {low}, expected labels 0..C-1")
    present = torch.unique(y)
    if len(present) != high + 1:
        missing = next(label for label, found in enumerate([*present.tolist(), None]) if label != found)
        raise InvalidData(
            f"{name} has labels {low}..{high} but none is {missing}; expected each of 0..C-1,"
            f" so renumber them, or say how many classes there are with classes={high + 1}"
        )
    return high + 1


def joined(names: Sequence[str], limit: int = 20) -> str:
    """At most ``limit`` names, as a list in a sentence."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def digest_of_arrays(arrays: Sequence[NDArray[Any]]) -> str:
    """SHA-256 over dtypes, shapes and bytes."""
    import hashlib

    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
