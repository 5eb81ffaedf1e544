from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError
from stealproof.measures.conformal import conformal_p_value, conformal_threshold, controls_needed

STATISTICS = st.floats(-10, 10)
CONTROLS = st.lists(STATISTICS, min_size=1, max_size=60)


@given(CONTROLS, st.sampled_from([0.5, 0.2, 0.1, 0.05, 0.01]), st.data())
def test_above_the_threshold_is_at_most_the_level(controls: list[float], level: float, data: st.DataObject) -> None:
    statistic = data.draw(st.one_of(STATISTICS, st.sampled_from(controls)))
    threshold = conformal_threshold(controls, level)
    assert (statistic > threshold) == (conformal_p_value(statistic, controls) <= level + 1e-12)


@given(st.sampled_from([0.5, 0.3, 0.1, 0.05, 0.01, 0.001, 1 / 3]))
def test_controls_needed_are_just_enough(level: float) -> None:
    needed = controls_needed(level)
    assert conformal_p_value(1.0, [0.0] * needed) <= level * (1 + 1e-9)
    assert needed == 1 or conformal_p_value(1.0, [0.0] * (needed - 1)) > level


def test_an_exchangeable_suspect_is_accused_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4000, 20))
    accused = sum(conformal_p_value(row[0], row[1:].tolist()) <= 0.05 for row in draws)
    assert accused / 4000 == pytest.approx(0.05, abs=0.012)


def test_too_few_controls_accuse_nobody() -> None:
    assert conformal_threshold([0.0] * 10, 0.01) == math.inf


def test_refuses_no_controls_and_nan() -> None:
    with pytest.raises(InputError, match="at least 1 control"):
        conformal_p_value(0.0, [])
    with pytest.raises(InputError, match="NaN"):
        conformal_p_value(math.nan, [0.0])
