"""Fisher's combination: exact under the null, symmetric, monotonic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError
from stealproof.measures.combine import fisher

p_values = st.lists(st.floats(1e-12, 1), min_size=1, max_size=10)


@given(p_values)
def test_the_order_does_not_matter(values: list[float]) -> None:
    shuffled = sorted(values)
    assert fisher(shuffled) == pytest.approx(fisher(values), rel=1e-9)
    assert 0 <= fisher(values) <= 1


@given(p_values, st.data())
def test_a_smaller_p_value_never_makes_the_whole_larger(values: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(values) - 1))
    smaller = [*values[:place], values[place] / 2, *values[place + 1 :]]
    assert fisher(smaller) <= fisher(values)


@given(st.floats(1e-12, 1))
def test_one_p_value_is_itself(value: float) -> None:
    assert fisher([value]) == pytest.approx(value)


def test_uniform_p_values_combine_to_a_uniform_one() -> None:
    found = np.array([fisher(row) for row in np.random.default_rng(0).random((2000, 5)).tolist()])
    for level in (0.01, 0.1, 0.5):
        assert (found <= level).mean() == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 2000))


def test_ends_and_nonsense() -> None:
    assert fisher([0.0, 0.5]) == 0
    assert fisher([1.0, 1.0]) == 1
    for values in ([], [1.2], [float("nan")]):
        with pytest.raises(InputError, match="at least 1 p-value between 0 and 1"):
            fisher(values)
