"""Outliers: how far each of some values lies from the middle of them, in robust units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import InputError

NORMAL = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""


def robust_scores(values: Sequence[float]) -> NDArray[np.float64]:
    """``(value - median) / (1.4826 * MAD)`` of each value ``(n,)``; beyond ±2 is unusual among normal values.

    MAD is the median absolute deviation from the median (Hampel, JASA 69, 1974): up to half of the values may lie
    anywhere without moving it much. When it is 0, values that differ from the median score ±infinity.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise InputError(f"robust scores need at least 1 finite value in one row, got shape {x.shape}")
    distances = x - np.median(x)
    spread = NORMAL * float(np.median(np.abs(distances)))
    if spread == 0:
        return np.where(distances == 0, 0.0, np.copysign(np.inf, distances))
    return np.asarray(distances / spread)
