"""The ROC curve against counting pairs, its interval against simulation, its threshold against its promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stealproof.errors import InputError
from stealproof.measures.intervals import proportion
from stealproof.measures.roc import LARGE, area_under_curve, at_false_positive_rate, roc_curve

# Whole numbers make ties common and survive a monotone map exactly.
GROUPS = st.lists(st.integers(-20, 20), min_size=1, max_size=40)


@given(GROUPS, GROUPS)
def test_the_area_is_the_mann_whitney_probability(positives: list[int], negatives: list[int]) -> None:
    area = area_under_curve(positives, negatives)
    wins = [(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    assert area.value == pytest.approx(np.mean(wins))
    assert area.value == pytest.approx(
        stats.mannwhitneyu(positives, negatives).statistic / (len(positives) * len(negatives))
    )
    assert 0 <= area.low <= area.value <= area.high <= 1


@given(GROUPS, GROUPS)
def test_the_area_is_what_lies_under_the_curve(positives: list[int], negatives: list[int]) -> None:
    curve = roc_curve(positives, negatives)
    assert (curve.false_positive_rates[0], curve.true_positive_rates[0]) == (0, 0)
    assert (curve.false_positive_rates[-1], curve.true_positive_rates[-1]) == (1, 1)
    assert (np.diff(curve.false_positive_rates) >= 0).all()
    assert (np.diff(curve.true_positive_rates) >= 0).all()
    area = np.trapezoid(curve.true_positive_rates, curve.false_positive_rates)
    assert area == pytest.approx(area_under_curve(positives, negatives).value)


@given(GROUPS, GROUPS)
def test_a_monotone_map_changes_nothing_but_the_thresholds(positives: list[int], negatives: list[int]) -> None:
    def mapped(values: list[int]) -> list[float]:
        return [float(value**3 + 7) for value in values]

    assert area_under_curve(mapped(positives), mapped(negatives)) == area_under_curve(positives, negatives)
    curve, other = roc_curve(positives, negatives), roc_curve(mapped(positives), mapped(negatives))
    np.testing.assert_array_equal(other.false_positive_rates, curve.false_positive_rates)
    np.testing.assert_array_equal(other.true_positive_rates, curve.true_positive_rates)


@given(GROUPS, GROUPS)
def test_swapping_the_groups_turns_the_area_round(positives: list[int], negatives: list[int]) -> None:
    area, other = area_under_curve(positives, negatives), area_under_curve(negatives, positives)
    assert (other.value, other.low, other.high) == pytest.approx((1 - area.value, 1 - area.high, 1 - area.low))


@given(GROUPS, GROUPS, st.floats(0, 0.99))
def test_the_threshold_keeps_to_the_rate_and_none_below_it_does(
    positives: list[int], negatives: list[int], rate: float
) -> None:
    point = at_false_positive_rate(positives, negatives, rate)
    assert np.mean(np.array(negatives) > point.threshold) <= rate + 1e-9
    assert np.mean(np.array(negatives) > point.threshold - 1) > rate
    found = sum(value > point.threshold for value in positives)
    assert point.true_positive_rate == proportion(found, len(positives))


@pytest.mark.parametrize("pairs", [1, 3, 8])
def test_few_separated_groups_get_what_clopper_and_pearson_give_their_pairs(pairs: int) -> None:
    area = area_under_curve([1.0] * pairs, [0.0] * 50)
    assert area.method == "hoeffding over pairs"
    assert (area.value, area.high) == (1, 1)
    assert area.low == pytest.approx(proportion(pairs, pairs).low)


def test_many_separated_groups_do_not_get_an_interval_of_no_width() -> None:
    area = area_under_curve([1.0] * 100, [0.0] * 100)
    assert area.low == pytest.approx(proportion(100, 100).low)


@pytest.mark.parametrize(("size", "method"), [(8, "hoeffding over pairs"), (LARGE, "delong")])
def test_the_interval_covers_the_truth(size: int, method: str) -> None:
    rng = np.random.default_rng(0)
    truth = float(stats.norm.cdf(1 / np.sqrt(2)))
    covered = 0
    for _ in range(400):
        area = area_under_curve(rng.normal(1, 1, size).tolist(), rng.normal(0, 1, size).tolist())
        assert area.method == method
        covered += area.low <= truth <= area.high
    assert covered / 400 > 0.92


def test_an_operating_point_by_hand() -> None:
    point = at_false_positive_rate([5, 4, 2], [3, 1, 1, 0], 0.25)
    assert point.threshold == 1
    assert point.false_positive_rate == proportion(1, 4)
    assert point.true_positive_rate == proportion(3, 3)


def test_refuses_empty_groups_and_nan() -> None:
    with pytest.raises(InputError, match="at least 1 of the negatives"):
        roc_curve([1.0], [])
    with pytest.raises(InputError, match="NaN among the positives"):
        area_under_curve([float("nan")], [1.0])
    with pytest.raises(InputError, match="at least 0 and below 1, got 1"):
        at_false_positive_rate([1.0], [0.0], 1)
    with pytest.raises(InputError, match="confidence level must lie between 0 and 1, got 1"):
        area_under_curve([1.0], [0.0], level=1)
