from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stealproof.errors import InputError
from stealproof.measures.binomial import critical_matches, matches_p_value, power, smallest_fixed_test, trials_needed

RATES = st.floats(0.0, 1.0)
LEVELS = st.floats(1e-12, 0.999)


def test_the_paper_s_number() -> None:
    """Half of 100 random labels in ten classes: 2^-77.2 (Adi et al. 2018, section 5)."""
    assert math.log2(matches_p_value(50, 100, 0.1)) == pytest.approx(-77.2, abs=0.1)


@given(st.integers(1, 60), RATES, st.data())
def test_the_tail_is_the_sum_of_its_terms(n: int, rate: float, data: st.DataObject) -> None:
    matches = data.draw(st.integers(0, n))
    terms = sum(stats.binom.pmf(k, n, rate) for k in range(matches, n + 1))
    assert matches_p_value(matches, n, rate) == pytest.approx(terms, abs=1e-12)


@given(st.integers(1, 200), RATES, LEVELS)
def test_the_critical_number_is_the_first_that_rejects(n: int, rate: float, level: float) -> None:
    critical = critical_matches(n, rate, level)
    assert 0 < critical <= n + 1
    assert critical == n + 1 or matches_p_value(critical, n, rate) <= level
    assert matches_p_value(critical - 1, n, rate) > level


@given(st.floats(0.0, 0.99), LEVELS)
def test_fewest_trials_that_can_reject(rate: float, level: float) -> None:
    n = trials_needed(rate, level)
    assert n is not None
    assert rate**n <= level
    assert n == 1 or rate ** (n - 1) > level


def test_a_certain_match_proves_nothing() -> None:
    assert trials_needed(1.0, 0.05) is None
    assert critical_matches(10, 1.0, 0.05) == 11
    assert power(10, 1.0, 0.05, 1.0) == 0.0


def test_power_grows_with_the_truth() -> None:
    powers = [power(100, 0.1, 1e-9, truth) for truth in (0.1, 0.3, 0.5, 0.9)]
    assert powers == sorted(powers)
    assert powers[0] <= 1e-9
    assert powers[-1] > 0.999


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((5, 4, 0.1), "0 to 4 matches"), ((0, 0, 0.1), "at least 1 trial"), ((1, 2, 1.5), "between 0 and 1")],
)
def test_refuses_what_can_not_be(arguments: tuple[int, int, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        matches_p_value(*arguments)


@given(st.floats(0.01, 0.5), st.floats(1e-9, 0.1), st.floats(0.6, 1.0), st.floats(0.5, 0.99))
def test_the_smallest_fixed_test_has_the_power_and_no_smaller_one_has(
    rate: float, level: float, share: float, chance: float
) -> None:
    truth = rate + (1 - rate) * share
    n = smallest_fixed_test(rate, level, truth, chance)
    assert power(n, rate, level, truth) >= chance
    assert all(power(fewer, rate, level, truth) < chance for fewer in range(1, n))


def test_a_fixed_test_without_end_or_sense_is_refused() -> None:
    with pytest.raises(InputError, match="can't be told from the null's"):
        smallest_fixed_test(0.1, 0.01, 0.1, 0.99)
    with pytest.raises(InputError, match="a power must lie between 0 and 1, got 1"):
        smallest_fixed_test(0.1, 0.01, 0.5, 1.0)
