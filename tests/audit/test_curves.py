from __future__ import annotations

from collections.abc import Callable

import pytest

from stealproof.audit.curves import Row, best_thief_gaps, curves_of, strongest

MakeRow = Callable[..., Row]


def test_curves_average_seeds_and_count_money(make_row: MakeRow) -> None:
    rows = [make_row(0.8 + 0.1 * seed, seed=seed, queries=90 + 10 * seed) for seed in range(2)]
    (curve,) = curves_of(rows, price=0.5)
    (point,) = curve.points
    assert point.fidelity.value == pytest.approx(0.85)
    assert (point.queries, point.cost, point.seeds) == (95, 47.5, (0, 1))
    assert point.fidelity.high == 1.0


def test_an_estimate_that_some_seed_lacks_is_left_out(make_row: MakeRow) -> None:
    (curve,) = curves_of([make_row(0.8, uniform=0.5), make_row(0.8, seed=1)], price=0)
    assert set(curve.points[0].estimates) == {"fidelity"}


def test_the_strongest_thief_within_a_budget_may_have_spent_less(make_row: MakeRow) -> None:
    rows = [make_row(0.9, budget=100), make_row(0.99, attack="exact", budget=1000, queries=31)]
    found = strongest(curves_of(rows, price=0), "probabilities", limit=100)
    assert found is not None
    assert found[0].attack == "exact"
    assert strongest(curves_of(rows, price=0), "labels") is None


def test_gaps_pair_the_best_thieves_by_seed_and_budget(make_row: MakeRow) -> None:
    rows = [
        make_row(fidelity + 0.01 * seed, attack=attack, access=access, budget=budget, seed=seed)
        for seed in range(3)
        for attack, access, budget, fidelity in (
            ("weak", "probabilities", 10, 0.5),
            ("strong", "probabilities", 10, 0.6),
            ("strong", "probabilities", 100, 0.9),
            ("weak", "labels", 10, 0.5),
            ("weak", "labels", 100, 0.8),
        )
    ]
    gaps = best_thief_gaps(rows, "probabilities", "labels")
    assert [gap.budget for gap in gaps] == [10, 100, None]
    assert gaps[0].richer == "strong with probabilities"
    assert [round(gap.comparison.difference.value, 6) for gap in gaps] == [0.1, 0.1, 0.1]
