from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError
from stealproof.measures.grinding import grinding_correction

P_VALUES = st.floats(0.0, 1.0)


@given(P_VALUES, P_VALUES, st.integers(1, 10**9))
def test_it_stays_a_p_value_keeps_the_order_and_never_gains(one: float, other: float, attempts: int) -> None:
    low, high = sorted([one, other])
    assert low <= grinding_correction(low, attempts) <= grinding_correction(high, attempts) <= 1
    assert grinding_correction(low, attempts) <= grinding_correction(low, attempts + 1)
    assert grinding_correction(low, 1) == low


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_the_best_of_many_attempts_rejects_no_more_often_than_one_may(attempts: int, seed: int) -> None:
    drawn = np.random.default_rng(seed).random((2000, attempts)).min(axis=1)
    corrected = np.array([grinding_correction(float(p), attempts) for p in drawn])
    # 2,000 accusers who grind: at level 0.05 four standard errors are 0.02.
    assert (corrected <= 0.05).mean() <= 0.05 + 0.02


@pytest.mark.parametrize(("p_value", "attempts"), [(-0.1, 1), (1.1, 1), (float("nan"), 1), (0.5, 0)])
def test_refuses_what_can_not_be(p_value: float, attempts: int) -> None:
    with pytest.raises(InputError, match=r"between 0 and 1|at least 1 attempt"):
        grinding_correction(p_value, attempts)
