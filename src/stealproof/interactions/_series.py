"""One value a seed: checked, averaged with an interval, and compared seed by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import stats

from stealproof.errors import InputError
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import mean_over_seeds, proportion
from stealproof.measures.paired import Comparison, paired_difference

NO_SPREAD = "one seed, no interval"
"""Method of an estimate whose interval is unknown, hence without bounds."""
ROWS_ONLY = "one seed, square-and-add of the intervals over rows"
"""Method of a difference of two estimates of one run each; it does not know how another seed would have turned out."""
YES_OR_NO = "detected"
"""Last part of the names of measures that are 1 or 0 in every run: counted, not averaged."""
LEVEL = 0.95
ONE_SIDED = 0.9
"""Level of the interval of a share of lost proofs: each bound holds at 95%, since a verdict needs only one of them."""

Value = float | Estimate


def checked(values: Sequence[Value], what: str) -> tuple[Value, ...]:
    """The values of one measure; ``InputError`` names ``what`` when there are none or one is not finite."""
    if len(values) == 0:
        raise InputError(f"{what} has no value; expected one for each seed")
    for value in values:
        number = plain(value)
        if not math.isfinite(number):
            raise InputError(f"{what} must be finite, got {number}; drop the run or find out why it failed")
    return tuple(values)


def plain(value: Value) -> float:
    """The number itself."""
    return value.value if isinstance(value, Estimate) else float(value)


def summary(values: Sequence[Value], measure: str) -> Estimate:
    """The mean over seeds with its 95% interval; a yes-or-no measure is counted."""
    numbers = [plain(value) for value in values]
    if measure.rpartition(".")[2] == YES_OR_NO and set(numbers) <= {0.0, 1.0}:
        return proportion(round(sum(numbers)), len(numbers), level=LEVEL)
    if len(numbers) > 1:
        return mean_over_seeds(numbers, level=LEVEL)
    only = values[0]
    if isinstance(only, Estimate):
        return only
    return _unbounded(numbers[0])


def loss(better: Sequence[Value], worse: Sequence[Value], measure: str) -> Comparison:
    """``better - worse``, paired by seed. With one seed the intervals of the two runs stand in, where they have any.

    Of a yes-or-no measure it is the share of seeds that said yes and say no now, with its exact interval: when all
    seeds agree, Student's interval would have no width, however few they are. At 5 of 5 the share is above one half.
    """
    one, other = [plain(value) for value in better], [plain(value) for value in worse]
    if len(one) > 1 and measure.rpartition(".")[2] == YES_OR_NO and {*one, *other} <= {0.0, 1.0}:
        lost = sum(before > after for before, after in zip(one, other, strict=True))
        gained = sum(before < after for before, after in zip(one, other, strict=True))
        # McNemar's exact test of the seeds that changed.
        p_value = float(stats.binomtest(lost, lost + gained).pvalue) if lost + gained else 1.0
        return Comparison(difference=proportion(lost, len(one), level=ONE_SIDED), p_value=p_value)
    if len(one) > 1:
        return paired_difference(one, other, level=LEVEL)
    a, b = better[0], worse[0]
    if not isinstance(a, Estimate) or not isinstance(b, Estimate):
        return Comparison(difference=_unbounded(one[0] - other[0]), p_value=1.0)
    difference = a.value - b.value
    # Zou & Donner, Statistics in Medicine 27 (2008): each bound from the two bounds on its side.
    low = difference - math.hypot(a.value - a.low, b.high - b.value)
    high = difference + math.hypot(a.high - a.value, b.value - b.low)
    deviation = (high - low) / 2 / float(stats.norm.ppf((1 + a.level) / 2))
    p_value = float(2 * stats.norm.sf(abs(difference) / deviation)) if deviation else float(difference == 0)
    estimate = Estimate(value=difference, low=low, high=high, level=a.level, n=1, method=ROWS_ONLY)
    return Comparison(difference=estimate, p_value=p_value)


def _unbounded(value: float) -> Estimate:
    return Estimate(value=value, low=-math.inf, high=math.inf, level=LEVEL, n=1, method=NO_SPREAD)
