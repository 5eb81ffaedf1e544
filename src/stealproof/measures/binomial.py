"""Exact binomial tests: how surprising that many matches are when each one has a known chance."""

from __future__ import annotations

from scipy import stats

from stealproof.errors import InputError


def matches_p_value(matches: int, n: int, rate: float) -> float:
    """P[Binomial(``n``, ``rate``) >= ``matches``]: one-sided, exact, 0 to 1.

    Args:
        matches: observed, 0 to ``n``.
        n: independent trials, at least 1.
        rate: the largest chance of one match under the null, 0 to 1.
    """
    _check(n, rate)
    if not 0 <= matches <= n:
        raise InputError(f"expected 0 to {n} matches, got {matches}")
    return float(stats.binom.sf(matches - 1, n, rate))


def critical_matches(n: int, rate: float, level: float) -> int:
    """The fewest matches of ``n`` whose p-value is at most ``level``; ``n + 1`` when no number of matches is enough."""
    _check(n, rate)
    _check_level(level)
    # The quantile is where the upper tail falls to the level; rounding may put it one off, so walk to the exact place.
    matches = int(stats.binom.isf(level, n, rate)) + 1 if 0 < rate < 1 else (1 if rate == 0 else n + 1)
    while matches <= n and stats.binom.sf(matches - 1, n, rate) > level:
        matches += 1
    while matches > 0 and stats.binom.sf(matches - 2, n, rate) <= level:
        matches -= 1
    return min(matches, n + 1)


def trials_needed(rate: float, level: float) -> int | None:
    """The fewest trials of which all matching has a p-value of at most ``level``; None when none are enough."""
    _check(1, rate)
    _check_level(level)
    if rate >= 1:
        return None
    trials = 1
    while rate**trials > level:
        trials += 1
    return trials


def power(n: int, rate: float, level: float, truth: float) -> float:
    """The chance that the test of ``n`` trials at ``level`` rejects ``rate`` when each trial matches by ``truth``."""
    _check(n, truth)
    return float(stats.binom.sf(critical_matches(n, rate, level) - 1, n, truth))


def smallest_fixed_test(rate: float, level: float, truth: float, chance: float) -> int:
    """The fewest trials with which the test at ``level`` rejects ``rate`` with at least this ``chance``.

    The power is a saw-tooth in the number of trials, so that slightly more trials may have slightly less.

    Args:
        rate: the largest chance of one match under the null.
        level: of the test, 0 to 1.
        truth: the chance of one match of a stolen copy, above ``rate``.
        chance: the wanted power, above 0 and below 1.
    """
    if not 0 < chance < 1:
        raise InputError(f"a power must lie between 0 and 1, got {chance}")
    if not rate < truth <= 1:
        raise InputError(f"a copy that matches by {truth} can't be told from the null's {rate}; expected more")
    n = 1
    while power(n, rate, level, truth) < chance:
        n += 1
    return n


def _check(n: int, rate: float) -> None:
    if n < 1:
        raise InputError(f"a binomial test needs at least 1 trial, got {n}")
    if not 0 <= rate <= 1:
        raise InputError(f"a rate must lie between 0 and 1, got {rate}")


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"a level must lie between 0 and 1, got {level}")
