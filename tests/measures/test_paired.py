"""Paired differences against the sign-flip distribution and against doing it by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError
from stealproof.measures.intervals import mean_over_seeds
from stealproof.measures.paired import paired_difference


def test_is_the_interval_of_the_differences() -> None:
    found = paired_difference([0.9, 0.8, 0.95], [0.7, 0.75, 0.8])
    assert found.difference.value == pytest.approx((0.2 + 0.05 + 0.15) / 3)
    expected = mean_over_seeds([0.2, 0.05, 0.15])
    assert (found.difference.low, found.difference.high) == pytest.approx((expected.low, expected.high))


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=2, max_size=12))
def test_the_p_value_and_the_interval_tell_the_same_story(pairs: list[tuple[float, float]]) -> None:
    found = paired_difference([a for a, _ in pairs], [b for _, b in pairs])
    excludes_zero = found.difference.low > 1e-9 or found.difference.high < -1e-9
    if excludes_zero:
        assert found.p_value < 0.05
    elif found.difference.low < -1e-9 and found.difference.high > 1e-9:
        assert found.p_value > 0.05


def test_swapping_the_sides_changes_the_sign_only() -> None:
    one, other = [1.0, 2.0, 4.0], [0.5, 2.5, 3.0]
    forth, back = paired_difference(one, other), paired_difference(other, one)
    assert forth.difference.value == -back.difference.value
    assert forth.p_value == pytest.approx(back.p_value)


def test_the_p_value_is_near_that_of_flipping_signs() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0.4, 1, size=12)
    flips = np.array(list(itertools.product([-1, 1], repeat=12)))
    statistic = np.abs((flips * np.abs(differences)).mean(axis=1))
    exact = float((statistic >= abs(differences.mean()) - 1e-12).mean())
    assert paired_difference(differences.tolist(), [0.0] * 12).p_value == pytest.approx(exact, abs=0.03)


def test_equal_differences_leave_no_doubt() -> None:
    assert paired_difference([1, 2], [1, 2]).p_value == 1
    certain = paired_difference([2, 3], [1, 2])
    assert certain.p_value == 0
    assert certain.difference.low == certain.difference.high == 1


def test_wants_as_many_of_each() -> None:
    with pytest.raises(InputError, match="equally many values, got 2"):
        paired_difference([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="at least 2 values, got 1"):
        paired_difference([1], [2])
