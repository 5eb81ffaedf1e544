"""Welch's t-test: whether one of two samples of different spread has the larger mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from stealproof.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Welch:
    """One comparison of means."""

    difference: float
    """Mean of the sample that is expected to be larger minus mean of the other."""
    statistic: float
    """The difference in standard errors."""
    threshold: float
    """The statistic at which the p-value reaches the level."""
    p_value: float
    """One-sided; never below ``smallest_p_value``."""


def welch_test(larger: NDArray[Any], smaller: NDArray[Any], *, level: float) -> Welch:
    """Test that ``larger`` ``(n,)`` has no larger mean than ``smaller`` ``(m,)``; n and m of 2 or more.

    Rows have to be independent. Degrees of freedom after Welch (Biometrika 34, 1947). Student's tail is approximate for
    rows that are not normal, and on few rows it promises what they can't hold, so that the p-value is held above that
    of a permutation test in which the two samples don't overlap.
    """
    if not 0 < level < 1:
        raise InputError(f"a level must lie between 0 and 1, got {level}")
    a, b = np.asarray(larger, dtype=np.float64), np.asarray(smaller, dtype=np.float64)
    if a.ndim != 1 or b.ndim != 1 or min(len(a), len(b)) < 2:
        raise InputError(f"a test of two means needs at least 2 rows a side, got shapes {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("a test of two means needs finite rows, got some that are infinite or no number")
    difference = float(a.mean() - b.mean())
    errors = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    total = sum(errors)
    floor = smallest_p_value(len(a), len(b))
    # Equal rows up to rounding have no spread to measure a difference by.
    if total <= (1e-12 * max(1.0, float(np.abs(a).max()), float(np.abs(b).max()))) ** 2:
        statistic = math.copysign(math.inf, difference) if abs(difference) > 1e-9 else 0.0
        return Welch(difference=difference, statistic=statistic, threshold=0.0, p_value=floor if statistic > 0 else 1.0)
    freedom = total**2 / (errors[0] ** 2 / (len(a) - 1) + errors[1] ** 2 / (len(b) - 1))
    statistic = difference / math.sqrt(total)
    return Welch(
        difference=difference,
        statistic=statistic,
        threshold=float(stats.t.isf(level, freedom)),
        p_value=max(floor, float(stats.t.sf(statistic, freedom))),
    )


def smallest_p_value(n: int, m: int) -> float:
    """The p-value of a permutation test when all ``n`` rows lie above all ``m``: one of (n + m choose n) orders."""
    return float(np.exp(special.gammaln(n + 1) + special.gammaln(m + 1) - special.gammaln(n + m + 1)))


def rows_needed(level: float) -> int:
    """The fewest rows a side with which a p-value can reach ``level``."""
    if not 0 < level < 1:
        raise InputError(f"a level must lie between 0 and 1, got {level}")
    rows = 2
    while smallest_p_value(rows, rows) > level:
        rows += 1
    return rows
