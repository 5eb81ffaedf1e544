"""Tables in memory: numeric columns into [0, 1], category columns as one-hot columns or as codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def unit_scaled(x: NDArray[Any]) -> NDArray[np.float64]:
    """Each column of ``(n, d)`` moved linearly onto [0, 1]; a constant column becomes 0."""
    x = np.asarray(x, dtype=np.float64)
    low = x.min(axis=0)
    span = x.max(axis=0) - low
    return np.asarray(np.clip((x - low) / np.where(span > 0, span, 1.0), 0.0, 1.0))
