"""An anytime-valid test of a match rate: evidence that may be looked at after every answer.

The null says that each trial matches with a chance of at most ``rate``, whatever happened before. For any match rate t
above it, the likelihood ratio of t against ``rate`` is then multiplied by at most 1 on average in each trial, so it is
a nonnegative supermartingale, and so is their average over t uniform in (rate, 1]: after k matches in n trials

    e(k, n) = integral over t in (rate, 1] of t^k (1-t)^(n-k) dt / ((1-rate) rate^k (1-rate)^(n-k)),

an incomplete beta function in closed form. By Ville's inequality the chance that it ever reaches 1/level is at most
``level``: a judge may stop whenever it likes (Ramdas, Grünwald, Vovk & Shafer, Statistical Science 38, 2023).
Weights of Jeffreys' shape, or with more on rates near 1 or near ``rate``, moved the median number of trials by at most
one in seven, mostly upwards, at match rates of 0.25 to 1 (rate 0.1, levels 1e-3 to 1e-9); so the plain ones stay.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stealproof.errors import InputError


def log_e_value(matches: Any, n: Any, rate: float) -> NDArray[np.float64]:
    """The natural logarithm of e(matches, n), element by element; -inf where it is below what a float can hold.

    Args:
        matches: 0 to ``n``.
        n: trials so far, 0 or more.
        rate: the largest chance of one match under the null, above 0 and below 1.
    """
    k, total = np.asarray(matches, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if not 0 < rate < 1:
        raise InputError(f"a sequential test needs a rate between 0 and 1, got {rate}")
    if (k < 0).any() or (k > total).any():
        raise InputError(f"expected 0 to {n} matches, got {matches}")
    misses = total - k
    with np.errstate(divide="ignore"):
        above = np.log(special.betaincc(k + 1, misses + 1, rate))
    ratio = special.betaln(k + 1, misses + 1) - k * math.log(rate) - (misses + 1) * math.log1p(-rate)
    return np.asarray(ratio + above)


def e_value(matches: int, n: int, rate: float) -> float:
    """e(matches, n); at most the largest float."""
    return math.exp(min(float(log_e_value(matches, n, rate)), math.log(np.finfo(np.float64).max)))


def log_e_path(outcomes: NDArray[Any], rate: float) -> NDArray[np.float64]:
    """The logarithm of the e-value after each of the trials ``(n,)``, whose outcomes are true for a match."""
    return log_e_value(np.cumsum(outcomes), np.arange(1, len(outcomes) + 1), rate)


def anytime_p_value(outcomes: NDArray[Any], rate: float) -> float:
    """1 / (the largest e-value on the way), at most 1: valid whenever one stopped, and for whatever reason."""
    return math.exp(-max(0.0, float(log_e_path(outcomes, rate).max(initial=0.0))))


def trials_to_decide(outcomes: NDArray[Any], rate: float, level: float) -> int | None:
    """The first trial (from 1) after which the e-value is at least 1/``level``; None when it never is."""
    reached = log_e_path(outcomes, rate) >= _log_bound(level)
    return int(reached.argmax()) + 1 if reached.any() else None


def fewest_more(matches: int, n: int, rate: float, level: float) -> int:
    """How many more trials, all matching, it takes at least until the e-value is 1/``level``."""
    bound, more = _log_bound(level), 0
    while float(log_e_value(matches + more, n + more, rate)) < bound:
        more += 1
    return more


def matches_to_reject(n: int, rate: float, level: float) -> int:
    """The fewest matches of ``n`` whose e-value is at least 1/``level``; ``n + 1`` when no number is enough."""
    reached = log_e_value(np.arange(n + 1), np.full(n + 1, n), rate) >= _log_bound(level)
    return int(reached.argmax()) if reached.any() else n + 1


def _log_bound(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"a level must lie between 0 and 1, got {level}")
    return -math.log(level)
