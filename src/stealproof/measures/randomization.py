"""Randomization tests: a secret choice against the other choices that might have been made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import InputError


def choice_p_value(values: NDArray[Any], rng: np.random.Generator, *, draws: int = 100_000) -> float:
    """How extreme the sum of the first column of ``values`` ``(groups, choices)`` is.

    Each row holds what one group gives under the choice that was made (first) and under others drawn like it. Under the
    null hypothesis any column of a row may have been the choice, independently from row to row, so that the sum is one
    draw of the sums over one column a row. Compared with ``draws`` more of them, itself counted, this is valid in
    finite samples (Phipson & Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010).
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or 0 in table.shape or not np.isfinite(table).all() or draws < 1:
        raise InputError(f"expected finite values (groups, choices) and at least 1 draw, got {table.shape} and {draws}")
    groups, choices = table.shape
    sums = np.zeros(draws)
    for row in table:
        sums += row[rng.integers(0, choices, size=draws)]
    # Sums of the same numbers in another order may differ in the last bit, and then they count as equal.
    slack = 1e-9 * max(1.0, float(np.abs(table).max())) * groups
    return float((1 + (sums >= table[:, 0].sum() - slack).sum()) / (1 + draws))


def choice_score(values: NDArray[Any]) -> float:
    """By how many standard deviations the sum of the first column of ``values`` exceeds that of a random choice.

    Unlike the sum itself it has no unit, so that it can be compared between models. 0 where no choice matters.
    """
    table = np.asarray(values, dtype=np.float64)
    spread = float(np.sqrt(table.var(axis=1).sum()))
    return float((table[:, 0] - table.mean(axis=1)).sum() / spread) if spread > 0 else 0.0


def smallest_choice_p_value(groups: int, choices: int, *, draws: int = 100_000) -> float:
    """What ``choice_p_value`` gives, on average, when the choice is the best of every group."""
    return (1 + draws * float(choices) ** -groups) / (1 + draws)
