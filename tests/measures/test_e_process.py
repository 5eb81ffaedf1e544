"""The e-process: never more than 1 on average under the null, however one looks at it, and quick on a copy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from stealproof.errors import InputError
from stealproof.measures.binomial import smallest_fixed_test
from stealproof.measures.e_process import (
    anytime_p_value,
    e_value,
    fewest_more,
    log_e_path,
    log_e_value,
    matches_to_reject,
    trials_to_decide,
)

rates = st.floats(0.01, 0.9)


@given(st.integers(0, 60), st.integers(0, 60), rates)
def test_it_is_the_average_likelihood_ratio(matches: int, misses: int, rate: float) -> None:
    def ratio(truth: float) -> float:
        return float((truth / rate) ** matches * ((1 - truth) / (1 - rate)) ** misses)

    mode = matches / max(matches + misses, 1)
    points = [mode] if rate < mode < 1 else None
    expected = integrate.quad(ratio, rate, 1, points=points, limit=400)[0] / (1 - rate)
    assert e_value(matches, matches + misses, rate) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(st.integers(0, 200), st.integers(0, 200), rates, st.floats(0, 1))
def test_one_more_trial_never_raises_it_on_average_under_the_null(
    matches: int, misses: int, rate: float, share: float
) -> None:
    n, innocent = matches + misses, rate * share
    now, after_match, after_miss = (
        float(log_e_value(k, m, rate)) for k, m in ((matches, n), (matches + 1, n + 1), (matches, n + 1))
    )
    if now == -math.inf:
        return
    expected = innocent * math.exp(after_match - now) + (1 - innocent) * math.exp(after_miss - now)
    assert expected <= 1 + 1e-7
    if share == 1:
        assert expected == pytest.approx(1, rel=1e-6)


@given(st.integers(1, 40), rates)
def test_its_expectation_at_the_edge_of_the_null_is_exactly_one(n: int, rate: float) -> None:
    k = np.arange(n + 1)
    assert float(stats.binom.pmf(k, n, rate) @ np.exp(log_e_value(k, np.full(n + 1, n), rate))) == pytest.approx(1)


@given(st.integers(1, 300), rates)
def test_more_matches_are_more_evidence(n: int, rate: float) -> None:
    path = log_e_value(np.arange(n + 1), np.full(n + 1, n), rate)
    assert (np.diff(path[np.isfinite(path)]) > 0).all()
    assert path[-1] == path.max()


def test_no_more_than_the_level_of_innocent_streams_are_ever_rejected() -> None:
    streams = np.random.default_rng(0).random((20_000, 200)) < 0.1
    k, n = streams.cumsum(axis=1), np.broadcast_to(np.arange(1, 201), streams.shape)
    largest = log_e_value(k, n, 0.1).max(axis=1)
    for level in (0.2, 0.05, 0.01):
        rejected = int((largest >= -math.log(level)).sum())
        # Significantly more than the level would be a mistake in the formula; looking 200 times must not matter.
        assert stats.binom.sf(rejected - 1, 20_000, level) > 1e-3
        assert rejected > 0.2 * level * 20_000


@given(st.lists(st.booleans(), min_size=1, max_size=80), rates, st.floats(1e-9, 0.5))
def test_decision_p_value_and_counts_agree(outcomes: list[bool], rate: float, level: float) -> None:
    stream = np.asarray(outcomes)
    decided = trials_to_decide(stream, rate, level)
    p = anytime_p_value(stream, rate)
    assert 0 < p <= 1
    if decided is None:
        assert p > level * (1 - 1e-9)
    else:
        assert p <= level * (1 + 1e-9)
        matches = int(stream[:decided].sum())
        assert matches >= matches_to_reject(decided, rate, level)
        assert fewest_more(matches, decided, rate, level) == 0
        assert trials_to_decide(stream[: decided - 1], rate, level) is None
    assert anytime_p_value(stream[:1], rate) >= p


@given(st.integers(0, 20), st.integers(0, 20), rates, st.floats(1e-9, 0.5))
def test_no_decision_comes_before_the_fewest_further_matches(
    matches: int, misses: int, rate: float, level: float
) -> None:
    n = matches + misses
    more = fewest_more(matches, n, rate, level)
    for step in range(more):
        assert matches + step < matches_to_reject(n + step, rate, level)
    assert matches + more >= matches_to_reject(n + more, rate, level)


def test_a_perfect_copy_of_ten_classes_is_decided_after_ten_triggers() -> None:
    always = np.ones(100, dtype=bool)
    assert [trials_to_decide(always, 0.1, level) for level in (1e-3, 1e-6, 1e-9)] == [4, 7, 10]
    assert anytime_p_value(~always, 0.1) == 1.0
    assert e_value(2000, 2000, 0.1) == pytest.approx(np.finfo(np.float64).max)
    assert log_e_path(always, 0.1)[-1] == pytest.approx(100 * math.log(10) - math.log(101 * 0.9))


def test_at_a_partial_copy_the_median_sequential_test_asks_less_than_the_smallest_fixed_one() -> None:
    rng = np.random.default_rng(1)
    for truth, level in ((0.36, 1e-3), (0.65, 1e-6), (0.5, 1e-9)):
        asked = [trials_to_decide(rng.random(600) < truth, 0.1, level) or 600 for _ in range(200)]
        assert np.median(asked) <= 0.65 * smallest_fixed_test(0.1, level, truth, 0.99)


def test_what_makes_no_test_is_refused() -> None:
    with pytest.raises(InputError, match="a rate between 0 and 1, got 1"):
        e_value(1, 2, 1.0)
    with pytest.raises(InputError, match="expected 0 to 2 matches, got 3"):
        e_value(3, 2, 0.1)
    with pytest.raises(InputError, match="a level must lie between 0 and 1, got 0"):
        matches_to_reject(5, 0.1, 0)
