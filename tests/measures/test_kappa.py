"""Cohen's kappa against its definition and at its ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError
from stealproof.measures.kappa import kappa

pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


@given(pairs)
def test_is_agreement_rescaled_by_chance(rows: list[tuple[int, int]]) -> None:
    one, other = np.array(rows).T
    agreed = float((one == other).mean())
    chance = sum(float((one == label).mean() * (other == label).mean()) for label in range(3))
    if chance < 1 - 1e-9:
        assert kappa(one, other) == pytest.approx((agreed - chance) / (1 - chance))
    assert kappa(one, other) == kappa(other, one)
    assert kappa(one, other) <= 1


@given(pairs)
def test_renaming_the_labels_changes_nothing(rows: list[tuple[int, int]]) -> None:
    one, other = np.array(rows).T
    names = np.array([7, 5, 9])
    assert kappa(names[one], names[other]) == kappa(one, other)


def test_independent_decisions_at_a_small_rate_are_worth_nothing() -> None:
    one, other = np.random.default_rng(0).random((2, 100_000)) < 0.053
    assert (one == other).mean() > 0.89
    assert abs(kappa(one, other)) < 0.01


def test_full_agreement_is_one_and_constants_say_nothing() -> None:
    column = np.array([0, 1, 1, 2])
    assert kappa(column, column) == 1
    assert kappa(np.ones(4), np.ones(4)) == 0


def test_wants_two_columns_of_equal_length() -> None:
    with pytest.raises(InputError, match=r"got \(3,\) and \(2,\)"):
        kappa(np.zeros(3), np.zeros(2))
