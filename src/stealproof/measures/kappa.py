"""Agreement beyond chance: two raters who rarely say yes agree nearly always, even when they know nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import InputError


def kappa(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Cohen's kappa of two columns of labels ``(n,)``: 0 for chance, 1 for always, negative below chance.

    Chance is the agreement of independent raters with these shares of each label; for yes at rate r it is
    r^2 + (1 - r)^2 (Cohen, Educational and Psychological Measurement 20, 1960). Where chance alone agrees always, there
    is nothing to exceed and the value is 0.
    """
    if one.shape != other.shape or one.ndim != 1 or len(one) == 0:
        raise InputError(f"kappa compares labels of shape (n,) with n >= 1, got {one.shape} and {other.shape}")
    n = len(one)
    labels = np.unique(np.concatenate([one, other]))
    chance = sum(int((one == label).sum()) * int((other == label).sum()) for label in labels)
    if chance == n * n:
        return 0.0
    # In whole numbers as long as possible, so that chance agreement is exactly 0 and full agreement exactly 1.
    return (int((one == other).sum()) * n - chance) / (n * n - chance)
