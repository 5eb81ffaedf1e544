"""How well a statistic tells two groups apart: the ROC curve, its area, what it finds at a stated alarm rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from stealproof.errors import InputError
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import proportion

LARGE = 30
"""Members of the smaller group from which the normal approximation of the area's error is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RocCurve:
    """Every way to cut a statistic: a suspect is accused when its value is at least the threshold."""

    thresholds: NDArray[np.float64]
    """``(k,)``, falling; the first is infinite and accuses nobody, the last accuses everybody."""
    false_positive_rates: NDArray[np.float64]
    """``(k,)``: share of the negatives that are accused at each threshold."""
    true_positive_rates: NDArray[np.float64]
    """``(k,)``: share of the positives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """What one threshold does, with exact binomial intervals for a threshold that is held fixed from now on."""

    threshold: float
    """A value above it is accused."""
    false_positive_rate: Estimate
    true_positive_rate: Estimate


def roc_curve(positives: Sequence[float], negatives: Sequence[float]) -> RocCurve:
    """The curve of two groups, each with at least 1 member; larger values speak for the positives."""
    high, low = _groups(positives, negatives)
    thresholds = np.concatenate([[np.inf], np.unique(np.concatenate([high, low]))[::-1]])
    return RocCurve(
        thresholds=thresholds,
        false_positive_rates=_share_at_least(low, thresholds),
        true_positive_rates=_share_at_least(high, thresholds),
    )


def area_under_curve(positives: Sequence[float], negatives: Sequence[float], *, level: float = 0.95) -> Estimate:
    """The chance that a positive has the larger value, ties counting half (the Mann-Whitney statistic, 0 to 1).

    Groups of at least ``LARGE`` get the interval of DeLong, DeLong & Clarke-Pearson (Biometrics 44, 1988). It is
    asymptotic, and of no width where the groups don't overlap. So smaller or separated groups get one that holds at
    any size: the area is an average over pairings of the k members of the smaller group, hence all values p with
    k KL(area, p) <= ln(2 / (1 - level)) (Hoeffding, JASA 58, 1963, section 5). At areas of 0 and 1 it is what Clopper &
    Pearson give k independent pairs; between them it is wider than need be.
    """
    if not 0 < level < 1:
        raise InputError(f"a confidence level must lie between 0 and 1, got {level}")
    high, low = _groups(positives, negatives)
    # What each positive wins against the negatives, and each negative loses against the positives.
    won, lost = _places(low, high), 1 - _places(high, low)
    area, smaller = float(won.mean()), min(len(high), len(low))
    error = 0.0
    if smaller >= LARGE:
        error = math.sqrt(float(won.var(ddof=1)) / len(won) + float(lost.var(ddof=1)) / len(lost))
    if error > 0:
        half = float(stats.norm.ppf((1 + level) / 2)) * error
        bounds, method = (max(0.0, area - half), min(1.0, area + half)), "delong"
    else:
        bounds, method = _hoeffding(area, smaller, math.log(2 / (1 - level))), "hoeffding over pairs"
    return Estimate(value=area, low=bounds[0], high=bounds[1], level=level, n=len(high) + len(low), method=method)


def at_false_positive_rate(
    positives: Sequence[float], negatives: Sequence[float], rate: float, *, level: float = 0.95
) -> OperatingPoint:
    """The lowest threshold that accuses at most the share ``rate`` (0 to 1, below 1) of the negatives.

    With fewer than 1 / ``rate`` negatives that is their largest value. The intervals say nothing about how the
    threshold would move with other negatives.
    """
    if not 0 <= rate < 1:
        raise InputError(f"a false-positive rate must be at least 0 and below 1, got {rate}")
    high, low = _groups(positives, negatives)
    # A hair above, since 0.29 * 100 is not exactly 29.
    allowed = math.floor(rate * len(low) + 1e-9)
    threshold = float(np.sort(low)[::-1][allowed])
    return OperatingPoint(
        threshold=threshold,
        false_positive_rate=proportion(int((low > threshold).sum()), len(low), level=level),
        true_positive_rate=proportion(int((high > threshold).sum()), len(high), level=level),
    )


def _groups(positives: Sequence[float], negatives: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    groups = []
    for name, values in (("positives", positives), ("negatives", negatives)):
        group = np.asarray(values, dtype=np.float64)
        if group.ndim != 1 or len(group) == 0:
            raise InputError(f"a ROC curve needs at least 1 of the {name}, got shape {group.shape}")
        if np.isnan(group).any():
            raise InputError(f"a ROC curve needs numbers, got NaN among the {name}")
        groups.append(group)
    return groups[0], groups[1]


def _share_at_least(group: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    # An infinite value is still below the first threshold, which accuses nobody.
    below = np.searchsorted(np.sort(group), thresholds, side="left")
    below[0] = len(group)
    return np.asarray(1 - below / len(group))


def _places(group: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of ``group`` below each value, ties counting half."""
    ordered = np.sort(group)
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + up_to) / (2 * len(group)))


def _hoeffding(area: float, pairs: int, allowed: float) -> tuple[float, float]:
    """The values whose Kullback-Leibler divergence from ``area``, times ``pairs``, is at most ``allowed``."""

    def excess(p: float) -> float:
        up = area * math.log(area / p) if area > 0 else 0.0
        down = (1 - area) * math.log((1 - area) / (1 - p)) if area < 1 else 0.0
        return pairs * (up + down) - allowed

    tiny = 1e-15
    low = 0.0 if area <= tiny or excess(tiny) < 0 else float(optimize.brentq(excess, tiny, area))
    high = 1.0 if area >= 1 - tiny or excess(1 - tiny) < 0 else float(optimize.brentq(excess, area, 1 - tiny))
    return low, high
