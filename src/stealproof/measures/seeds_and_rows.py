"""Intervals that cover two sources of chance at once: the seeds of a run and the rows that it was tested on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stealproof.errors import InputError
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import mean_over_seeds


def seeds_and_rows(estimates: Sequence[Estimate], *, fraction: bool = False) -> Estimate:
    """The mean of one estimate a seed, all from the same test rows.

    Since the seeds share their rows, the spread over seeds says nothing of the choice of rows. The two errors are
    independent, so the half-widths of Student's interval over seeds and of the mean interval over rows add in
    quadrature, on each side for itself. With one seed only the rows are covered, and ``method`` says so.

    Args:
        estimates: at least one, of equal level.
        fraction: the value cannot leave 0..1, so its interval is cut there.
    """
    if not estimates:
        raise InputError("an interval over seeds and rows needs at least 1 estimate, got 0")
    count, level, rows = len(estimates), estimates[0].level, estimates[0].method
    value = sum(e.value for e in estimates) / count
    below = value - sum(e.low for e in estimates) / count
    above = sum(e.high for e in estimates) / count - value
    method = f"{rows}, 1 seed"
    if count > 1:
        spread = mean_over_seeds([e.value for e in estimates], level=level)
        below, above = math.hypot(below, value - spread.low), math.hypot(above, spread.high - value)
        method = f"{rows} and student-t over {count} seeds"
    low, high = value - below, value + above
    if fraction:
        low, high = max(0.0, low), min(1.0, high)
    return Estimate(value=value, low=low, high=high, level=level, n=estimates[0].n, method=method)
