from __future__ import annotations

import numpy as np
import pytest

from stealproof.errors import InputError
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import mean_over_seeds, proportion
from stealproof.measures.seeds_and_rows import seeds_and_rows


def test_it_is_wider_than_either_source_alone() -> None:
    estimates = [proportion(k, 1000) for k in (900, 920, 910)]
    both, seeds = seeds_and_rows(estimates), mean_over_seeds([0.90, 0.92, 0.91])
    assert both.value == pytest.approx(0.91)
    assert both.low < seeds.low
    assert both.low < estimates[2].low
    assert "3 seeds" in both.method


def test_one_seed_covers_the_rows_only_and_says_so() -> None:
    one = proportion(90, 100)
    both = seeds_and_rows([one])
    assert (both.low, both.high) == pytest.approx((one.low, one.high))
    assert "1 seed" in both.method


def test_fractions_stay_between_0_and_1() -> None:
    wild = [proportion(k, 100) for k in (100, 60)]
    assert seeds_and_rows(wild, fraction=True).high == 1.0
    assert seeds_and_rows(wild).high > 1.0


def test_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 estimate"):
        seeds_and_rows([])


def test_coverage_is_nominal_when_both_sources_vary() -> None:
    # Truth 0.8; each seed's own rate wanders with sd 0.03; all seeds answer the same rows, so rows add shared error.
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        difficulty = rng.random(300)
        estimates: list[Estimate] = []
        for _ in range(4):
            skill = 0.8 + rng.normal(0, 0.03)
            estimates.append(proportion(int((difficulty < skill).sum()), 300))
        both = seeds_and_rows(estimates, fraction=True)
        covered += both.low <= 0.8 <= both.high
    assert covered / 400 >= 0.93
