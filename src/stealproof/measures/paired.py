"""Paired comparisons: two ways of doing the same thing, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from stealproof.errors import InputError
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import mean_over_seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The mean of one minus the other, paired by seed."""

    difference: Estimate
    """Mean of ``one - other``; positive means that the first is larger."""
    p_value: float
    """Two-sided paired t-test of "the mean difference is zero"; 0 to 1."""


def paired_difference(one: Sequence[float], other: Sequence[float], *, level: float = 0.95) -> Comparison:
    """Compare two sequences ``(n,)`` whose i-th values come from the same seed; n >= 2."""
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if a.shape != b.shape:
        raise InputError(f"a paired comparison needs equally many values, got {a.size} and {b.size}")
    differences = a - b
    estimate = mean_over_seeds(differences.tolist(), level=level)
    spread = float(differences.std(ddof=1))
    if spread == 0:
        p_value = 1.0 if estimate.value == 0 else 0.0
    else:
        statistic = estimate.value / (spread / np.sqrt(len(differences)))
        p_value = float(2 * stats.t.sf(abs(statistic), len(differences) - 1))
    return Comparison(difference=estimate, p_value=p_value)
