"""Welch's test: SciPy's numbers where it has any, and no promise that a few rows can't keep."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stealproof.errors import InputError
from stealproof.measures.welch import rows_needed, smallest_p_value, welch_test

SAMPLES = st.lists(st.integers(-1000, 1000).map(lambda n: n / 100), min_size=2, max_size=30).map(np.array)


@given(SAMPLES, SAMPLES, st.sampled_from([0.05, 1e-3]))
def test_agrees_with_scipy_above_the_floor(one: np.ndarray, other: np.ndarray, level: float) -> None:
    # SciPy warns of a constant sample, whose spread it takes for a rounding error.
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return
    ours = welch_test(one, other, level=level)
    theirs = stats.ttest_ind(one, other, equal_var=False, alternative="greater")
    floor = smallest_p_value(len(one), len(other))
    assert ours.statistic == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(max(floor, theirs.pvalue))
    assert stats.t.sf(ours.threshold, theirs.df) == pytest.approx(level)


@given(SAMPLES, SAMPLES)
def test_the_two_directions_share_the_evidence(one: np.ndarray, other: np.ndarray) -> None:
    there, back = welch_test(one, other, level=0.01), welch_test(other, one, level=0.01)
    assert there.difference == pytest.approx(-back.difference)
    assert 0 < min(there.p_value, back.p_value) <= 1
    assert there.p_value + back.p_value >= 1 - 1e-9


def test_rejects_as_often_as_the_level_allows() -> None:
    rng = np.random.default_rng(0)
    p = [welch_test(rng.normal(size=40), rng.normal(scale=3, size=90), level=0.05).p_value for _ in range(2000)]
    assert stats.binomtest(sum(value <= 0.05 for value in p), 2000, 0.05).pvalue > 0.01


def test_equal_rows_prove_what_a_permutation_test_would() -> None:
    apart = welch_test(np.ones(5), -np.ones(5), level=0.05)
    assert apart.p_value == pytest.approx(1 / math.comb(10, 5))
    assert apart.statistic == math.inf
    assert welch_test(np.ones(5), np.ones(5), level=0.05).p_value == 1
    assert welch_test(-np.ones(5), np.ones(5), level=0.05).p_value == 1


def test_says_how_many_rows_a_level_takes() -> None:
    assert smallest_p_value(3, 4) == pytest.approx(1 / math.comb(7, 3))
    assert rows_needed(1e-3) == 7
    assert smallest_p_value(7, 7) <= 1e-3 < smallest_p_value(6, 6)


def test_refuses_what_is_no_sample() -> None:
    with pytest.raises(InputError, match="at least 2 rows a side"):
        welch_test(np.ones(1), np.ones(5), level=0.05)
    with pytest.raises(InputError, match="finite rows"):
        welch_test(np.array([1.0, np.nan, 2.0]), np.ones(3), level=0.05)
    with pytest.raises(InputError, match="level must lie between 0 and 1, got 1"):
        welch_test(np.ones(3), np.ones(3), level=1.0)
    with pytest.raises(InputError, match="level must lie between 0 and 1, got 0"):
        rows_needed(0)
