"""Agreement, divergence and variation against loops over their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stealproof.errors import InputError
from stealproof.measures.agreement import agreement, kl_divergence, relative_accuracy, total_variation
from stealproof.measures.intervals import proportion


def simplex(rows: int, classes: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), size=rows)


pairs = st.tuples(st.integers(2, 40), st.integers(2, 6), st.integers(0, 10_000))


def test_agreement_counts_equal_labels() -> None:
    one, other = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    assert agreement(one, other) == proportion(3, 4)


@pytest.mark.parametrize(("one", "other"), [((3,), (4,)), ((3, 1), (3, 1))])
def test_agreement_refuses_what_is_no_pair_of_label_lists(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"agreement compares labels of shape \(n,\)"):
        agreement(np.zeros(one), np.zeros(other))


@given(pairs)
def test_kl_and_variation_are_what_their_definitions_say(case: tuple[int, int, int]) -> None:
    rows, classes, seed = case
    p, q = simplex(rows, classes, seed), simplex(rows, classes, seed + 1)
    kl = [math.fsum(a * math.log(a / max(b, 1e-12)) for a, b in zip(*pq, strict=True) if a > 0) for pq in zip(p, q)]  # noqa: B905
    variation = [max(sum(max(a - b, 0) for a, b in zip(*pq, strict=True)), 0) for pq in zip(p, q)]  # noqa: B905
    assert kl_divergence(p, q).value == pytest.approx(math.fsum(kl) / rows, abs=1e-12)
    np.testing.assert_allclose(total_variation(p, q), variation, atol=1e-12)


@given(pairs)
def test_divergence_bounds_variation_as_pinsker_says(case: tuple[int, int, int]) -> None:
    rows, classes, seed = case
    p, q = simplex(rows, classes, seed), simplex(rows, classes, seed + 1)
    variation = total_variation(p, q)
    assert np.all((variation >= 0) & (variation <= 1 + 1e-12))
    np.testing.assert_allclose(variation, total_variation(q, p))
    # Pinsker: TV <= sqrt(KL / 2); by Jensen also between the means.
    assert variation.mean() <= math.sqrt(kl_divergence(p, q).value / 2) + 1e-9


@given(pairs)
def test_equal_answers_differ_by_nothing(case: tuple[int, int, int]) -> None:
    p = simplex(*case)
    assert kl_divergence(p, p).value == pytest.approx(0, abs=1e-9)
    assert total_variation(p, p).max() == 0


def test_a_confident_mistake_costs_much_but_not_infinity() -> None:
    p, q = np.array([[1.0, 0.0]] * 3), np.array([[0.0, 1.0]] * 3)
    assert kl_divergence(p, q).value == pytest.approx(-math.log(1e-12))
    np.testing.assert_array_equal(total_variation(p, q), [1, 1, 1])


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match=r"two arrays of probabilities \(n, classes\), got \(2, 3\) and \(2, 4\)"):
        kl_divergence(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(InputError, match="two arrays of probabilities"):
        total_variation(np.ones(3), np.ones(3))


def test_relative_accuracy_is_a_ratio_with_an_interval_around_it() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, size=400)
    victim = np.where(rng.random(400) < 0.9, truth, (truth + 1) % 5)
    thief = np.where(rng.random(400) < 0.6, truth, (truth + 2) % 5)
    found = relative_accuracy(thief, victim, truth, rng=np.random.default_rng(1))
    assert found.value == pytest.approx((thief == truth).mean() / (victim == truth).mean())
    assert found.low < found.value < found.high
    # The delta method for a ratio of two means of independent 0-1 draws.
    a, b = (thief == truth).mean(), (victim == truth).mean()
    covariance = np.cov((thief == truth).astype(float), (victim == truth).astype(float)) / 400
    gradient = np.array([1 / b, -a / b**2])
    half = 1.96 * math.sqrt(gradient @ covariance @ gradient)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)


def test_relative_accuracy_of_a_victim_that_is_always_wrong_is_zero() -> None:
    truth = np.zeros(10, dtype=int)
    found = relative_accuracy(truth, truth + 1, truth, rng=np.random.default_rng(0))
    assert found.value == 0
