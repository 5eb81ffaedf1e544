"""The randomization test: valid whatever the values are, exact against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stealproof.errors import InputError
from stealproof.measures.randomization import choice_p_value, choice_score, smallest_choice_p_value


@given(arrays.arrays(np.float64, (3, 4), elements=st.integers(-5, 5).map(float)))
def test_is_near_the_enumeration_of_all_choices(values: np.ndarray) -> None:
    sums = np.array([sum(row) for row in itertools.product(*values)])
    exact = float((sums >= values[:, 0].sum()).mean())
    assert choice_p_value(values, np.random.default_rng(0), draws=4000) == pytest.approx(exact, abs=0.04)


@given(arrays.arrays(np.float64, (3, 4), elements=st.floats(-5, 5)), st.integers(-3, 3))
def test_a_shift_of_a_whole_group_changes_nothing(values: np.ndarray, shift: int) -> None:
    values = np.round(values, 3)
    moved = values + np.array([[shift], [0], [-2 * shift]])
    one, other = (choice_p_value(table, np.random.default_rng(1), draws=500) for table in (values, moved))
    assert one == other


def test_false_rejections_stay_within_the_level() -> None:
    rng = np.random.default_rng(0)
    # Skewed, with a group that dominates: what a t-test would trip over.
    found = [choice_p_value(rng.pareto(1.5, (4, 6)) * [[100], [1], [1], [1]], rng, draws=400) for _ in range(1000)]
    for level in (0.01, 0.05, 0.2):
        assert (np.array(found) <= level).mean() <= level + 4 * np.sqrt(level / 1000)


def test_the_best_of_every_group_is_the_smallest() -> None:
    values = np.tile([5.0, 1.0, 2.0, 0.0], (6, 1))
    assert choice_p_value(values, np.random.default_rng(0), draws=10_000) <= 0.001
    assert smallest_choice_p_value(6, 4, draws=10_000) == pytest.approx((1 + 10_000 / 4**6) / 10_001)
    assert choice_p_value(np.zeros((3, 4)), np.random.default_rng(0)) == 1


@given(arrays.arrays(np.float64, (3, 4), elements=st.integers(-50, 50).map(float)), st.integers(1, 9))
def test_the_score_has_no_unit_and_averages_to_zero_over_choices(values: np.ndarray, scale: int) -> None:
    assert choice_score(scale * values + 3) == pytest.approx(choice_score(values))
    scores = [choice_score(np.roll(values, shift, axis=1)) for shift in range(4)]
    assert np.mean(scores) == pytest.approx(0, abs=1e-9)


def test_refuses_nonsense() -> None:
    with pytest.raises(InputError, match="expected finite values"):
        choice_p_value(np.zeros((0, 3)), np.random.default_rng(0))
    with pytest.raises(InputError, match="expected finite values"):
        choice_p_value(np.array([[np.nan, 1.0]]), np.random.default_rng(0))
