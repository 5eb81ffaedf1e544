"""Robust scores against their definition, and what they owe: they ignore scale, place and wild values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError
from stealproof.measures.outliers import robust_scores

VALUES = st.lists(st.integers(-1000, 1000), min_size=1, max_size=20)


def test_one_far_value_among_five() -> None:
    # Median 3, distances 2 1 0 1 97, whose median is 1.
    np.testing.assert_allclose(robust_scores([1, 2, 3, 4, 100]), np.array([-2, -1, 0, 1, 97]) / 1.4826)


def test_normal_values_have_scores_of_spread_one() -> None:
    scores = robust_scores(np.random.default_rng(0).normal(5, 3, size=20_000).tolist())
    assert scores.std() == pytest.approx(1, abs=0.03)


@given(VALUES, st.integers(1, 50), st.integers(-100, 100))
def test_scores_do_not_depend_on_unit_and_origin(values: list[int], unit: int, origin: int) -> None:
    moved = robust_scores([unit * value + origin for value in values])
    np.testing.assert_allclose(moved, robust_scores(values), atol=1e-9)


@given(VALUES)
def test_half_of_the_scores_lie_on_either_side_of_zero(values: list[int]) -> None:
    scores = robust_scores(values)
    assert 2 * (scores < 0).sum() <= len(values)
    assert 2 * (scores > 0).sum() <= len(values)
    ordered = scores[np.argsort(values)].tolist()
    assert ordered == sorted(ordered)


def test_a_single_different_value_is_infinitely_far() -> None:
    assert robust_scores([1, 1, 1, 0.5]).tolist() == [0, 0, 0, -np.inf]


@pytest.mark.parametrize("values", [[], [np.nan], [1.0, np.inf]])
def test_nothing_and_what_is_no_number_are_refused(values: list[float]) -> None:
    with pytest.raises(InputError, match="robust scores need at least 1 finite value"):
        robust_scores(values)
