"""Combining independent tests of one null hypothesis into one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from stealproof.errors import InputError


def fisher(p_values: Sequence[float]) -> float:
    """One p-value for independent p-values ``(n,)``: valid when each of them is, exact when each is uniform.

    Minus twice the sum of their logarithms is chi-squared with 2n degrees of freedom (Fisher, "Statistical Methods for
    Research Workers", 4th edition, 1932, section 21.1). A zero among them gives zero.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or len(p) == 0 or not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"expected at least 1 p-value between 0 and 1, got {list(p_values)}")
    if (p == 0).any():
        return 0.0
    return float(stats.chi2.sf(-2 * np.log(p).sum(), 2 * len(p)))
