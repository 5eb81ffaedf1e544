"""Intervals against definitions: binomial tails added up, Student's density integrated, coverage counted."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError
from stealproof.measures.intervals import bootstrap, mean_over_seeds, proportion, row_mean


def upper_tail(successes: int, n: int, p: float) -> float:
    """P[Binomial(n, p) >= successes], term by term."""
    return math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(successes, n + 1))


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where an increasing function crosses zero, by bisection."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return (low + high) / 2


def student_quantile(q: float, freedom: int) -> float:
    """The quantile of Student's t, by Simpson's rule on its density."""
    scale = math.gamma((freedom + 1) / 2) / math.sqrt(freedom * math.pi) / math.gamma(freedom / 2)

    def distribution(t: float) -> float:
        x = np.linspace(0, t, 2001)
        density = scale * (1 + x**2 / freedom) ** (-(freedom + 1) / 2)
        weights = np.where(np.arange(2001) % 2, 4, 2)
        weights[[0, -1]] = 1
        return 0.5 + float((weights * density).sum()) * t / 2000 / 3

    return root(lambda t: distribution(t) - q, 0.0, 100.0)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (1, 20), (7, 20), (95, 100)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_proportion_has_the_exact_binomial_tails(successes: int, n: int, level: float) -> None:
    found = proportion(successes, n, level=level)
    tail = (1 - level) / 2
    low = root(lambda p: upper_tail(successes, n, p) - tail, 0, 1) if successes else 0.0
    high = root(lambda p: upper_tail(successes + 1, n, p) - (1 - tail), 0, 1) if successes < n else 1.0
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
    assert found.value == successes / n
    assert (found.n, found.level, found.method) == (n, level, "clopper-pearson")


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_proportion_lies_inside_its_interval_and_mirrors(case: tuple[int, int]) -> None:
    successes, n = case
    found, mirrored = proportion(successes, n), proportion(n - successes, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert mirrored.low == pytest.approx(1 - found.high)
    assert mirrored.high == pytest.approx(1 - found.low)


@given(st.integers(1, 50), st.floats(0.01, 0.98))
def test_a_higher_level_gives_a_wider_interval(n: int, level: float) -> None:
    narrow, wide = proportion(n // 2, n, level=level), proportion(n // 2, n, level=level + 0.01)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_proportion_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(InputError, match=f"got {successes} of {n}"):
        proportion(successes, n)


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 95.0])
def test_levels_lie_between_zero_and_one(level: float) -> None:
    with pytest.raises(InputError, match="a confidence level must lie between 0 and 1"):
        proportion(1, 2, level=level)
    with pytest.raises(InputError, match="a confidence level must lie between 0 and 1"):
        mean_over_seeds([1.0, 2.0], level=level)


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_mean_over_seeds_has_students_half_width(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count).tolist()
    found = mean_over_seeds(values)
    mean = math.fsum(values) / count
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1))
    half = student_quantile(0.975, count - 1) * deviation / math.sqrt(count)
    assert found.value == pytest.approx(mean)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half), rel=1e-5)
    assert found.n == count


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=10), st.floats(-100, 100), st.floats(0.1, 10))
def test_mean_over_seeds_moves_and_stretches_with_its_values(values: list[float], shift: float, scale: float) -> None:
    base, moved = mean_over_seeds(values), mean_over_seeds([scale * v + shift for v in values])
    assert moved.value == pytest.approx(scale * base.value + shift, abs=1e-6)
    assert moved.high - moved.low == pytest.approx(scale * (base.high - base.low), abs=1e-6)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_mean_over_seeds_wants_two_values(values: list[float]) -> None:
    with pytest.raises(InputError, match=f"at least 2 values, got {len(values)}"):
        mean_over_seeds(values)


def test_intervals_over_seeds_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = [e.low <= 3 <= e.high for e in (mean_over_seeds(rng.normal(3, 2, size=5).tolist()) for _ in range(2000))]
    # 2,000 trials at 95% have a standard error of 0.5 percentage points.
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_row_mean_is_the_normal_interval() -> None:
    x = np.random.default_rng(1).exponential(size=400)
    found = row_mean(x)
    half = 1.959964 * float(np.sqrt(((x - x.mean()) ** 2).sum() / 399 / 400))
    assert (found.low, found.high) == pytest.approx((float(x.mean()) - half, float(x.mean()) + half), rel=1e-6)
    with pytest.raises(InputError, match="at least 2 rows"):
        row_mean(np.zeros(1))
    with pytest.raises(InputError, match=r"got shape \(2, 2\)"):
        row_mean(np.zeros((2, 2)))


def test_bootstrap_agrees_with_the_normal_interval_of_a_mean_and_repeats_by_seed() -> None:
    x = np.random.default_rng(2).normal(size=500)
    found = bootstrap(x, lambda rows: float(rows.mean()), rng=np.random.default_rng(3))
    normal = row_mean(x)
    width = normal.high - normal.low
    assert (found.low, found.high) == pytest.approx((normal.low, normal.high), abs=0.1 * width)
    assert found == bootstrap(x, lambda rows: float(rows.mean()), rng=np.random.default_rng(3))
    assert found.value == pytest.approx(float(x.mean()))
    with pytest.raises(InputError, match="at least 2 rows, got 1"):
        bootstrap(x[:1], lambda rows: 0.0, rng=np.random.default_rng(0))
