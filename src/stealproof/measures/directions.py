"""Directions in many dimensions: how surprising it is that two of them point the same way."""

from __future__ import annotations

from scipy import special

from stealproof.errors import InputError


def cosine_p_value(cosine: float, dimension: int) -> float:
    """The chance that a uniformly drawn direction in ``dimension`` >= 2 has at least this cosine with a given one.

    The square of such a cosine has the beta distribution with parameters 1/2 and (d - 1)/2 (Iscen et al., "Memory
    vectors for similarity search in high-dimensional spaces", 2017).
    """
    if dimension < 2 or not -1 - 1e-9 <= cosine <= 1 + 1e-9:
        raise InputError(f"expected a cosine from -1 to 1 in at least 2 dimensions, got {cosine} in {dimension}")
    # The complement, since 1 - cosine^2 is exact where the p-value is tiny.
    tail = 0.5 * float(special.betainc((dimension - 1) / 2, 0.5, max(0.0, 1 - cosine * cosine)))
    return tail if cosine >= 0 else 1 - tail
