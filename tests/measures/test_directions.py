"""The cosine test against drawn directions and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError
from stealproof.measures.directions import cosine_p_value


@given(st.floats(-1, 1), st.integers(2, 500))
def test_the_two_tails_make_one(cosine: float, dimension: int) -> None:
    assert cosine_p_value(cosine, dimension) + cosine_p_value(-cosine, dimension) == pytest.approx(1)


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(2, 500))
def test_a_larger_cosine_is_more_surprising(one: float, other: float, dimension: int) -> None:
    assert cosine_p_value(max(one, other), dimension) <= cosine_p_value(min(one, other), dimension)


@given(st.floats(0, math.pi))
def test_in_a_plane_it_is_the_share_of_the_angle(angle: float) -> None:
    assert cosine_p_value(math.cos(angle), 2) == pytest.approx(angle / math.pi, abs=1e-6)


def test_drawn_directions_give_uniform_p_values() -> None:
    directions = np.random.default_rng(0).normal(size=(4000, 20))
    cosines = directions[:, 0] / np.linalg.norm(directions, axis=1)
    found = np.array([cosine_p_value(cosine, 20) for cosine in cosines])
    for level in (0.01, 0.1, 0.5):
        assert (found <= level).mean() == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 4000))


def test_refuses_what_is_no_cosine() -> None:
    with pytest.raises(InputError, match=r"got 1\.5 in 10"):
        cosine_p_value(1.5, 10)
    with pytest.raises(InputError, match=r"got 0\.5 in 1"):
        cosine_p_value(0.5, 1)
