"""Intervals: how far a measured number could be from the true one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stealproof.errors import InputError
from stealproof.measures.estimate import Estimate

RESAMPLES = 1000
"""Bootstrap resamples; the Monte Carlo error of a 95% bound is then well below the bound's own width."""
YES_OR_NO = "yes or no"
"""Method of a share of yeses among ``n`` answers, often of a single one; several are counted together, not averaged."""


def proportion(successes: int, n: int, *, level: float = 0.95) -> Estimate:
    """A success rate with its exact binomial interval (Clopper & Pearson, Biometrika 26, 1934).

    Args:
        successes: 0 to ``n``.
        n: independent trials, at least 1.
        level: confidence level, 0 to 1.
    """
    _check_level(level)
    if n < 1 or not 0 <= successes <= n:
        raise InputError(f"a proportion needs 0 <= successes <= n and n >= 1, got {successes} of {n}")
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, n - successes + 1))
    high = 1.0 if successes == n else float(stats.beta.ppf(1 - tail, successes + 1, n - successes))
    return Estimate(value=successes / n, low=low, high=high, level=level, n=n, method="clopper-pearson")


def mean_over_seeds(values: Sequence[float], *, level: float = 0.95) -> Estimate:
    """The mean of one value a seed, ``(n,)`` with n >= 2, with Student's t interval."""
    _check_level(level)
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < 2:
        raise InputError(f"an interval over seeds needs at least 2 values, got {x.size}")
    half = float(stats.t.ppf((1 + level) / 2, len(x) - 1)) * float(x.std(ddof=1)) / math.sqrt(len(x))
    mean = float(x.mean())
    return Estimate(value=mean, low=mean - half, high=mean + half, level=level, n=len(x), method="student-t over seeds")


def bootstrap(
    rows: NDArray[Any],
    statistic: Callable[[NDArray[Any]], float],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Estimate:
    """A statistic of independent rows ``(n, ...)`` with its percentile bootstrap interval (Efron 1979)."""
    _check_level(level)
    n = len(rows)
    if n < 2:
        raise InputError(f"a bootstrap interval needs at least 2 rows, got {n}")
    draws = [statistic(rows[rng.integers(0, n, size=n)]) for _ in range(resamples)]
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(
        value=float(statistic(rows)), low=float(low), high=float(high), level=level, n=n, method="bootstrap"
    )


def row_mean(values: NDArray[Any], *, level: float = 0.95) -> Estimate:
    """The mean of independent rows ``(n,)`` with its normal interval (central limit; n of some dozens or more)."""
    _check_level(level)
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < 2:
        raise InputError(f"an interval of a mean needs at least 2 rows, got shape {x.shape}")
    half = float(stats.norm.ppf((1 + level) / 2)) * float(x.std(ddof=1)) / math.sqrt(len(x))
    mean = float(x.mean())
    return Estimate(value=mean, low=mean - half, high=mean + half, level=level, n=len(x), method="normal over rows")


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"a confidence level must lie between 0 and 1, got {level}")
