"""Batches: every row once an epoch, a new order each time, and no need to draw the earlier epochs first."""

from __future__ import annotations

import pytest
import torch

from stealproof.training._batches import Batches
from stealproof.training.recipe import Recipe


@pytest.mark.parametrize(("rows", "per_epoch"), [(64, 2), (65, 2), (66, 3), (5, 1), (1, 1)])
def test_an_epoch_covers_every_row(rows: int, per_epoch: int) -> None:
    batches = Batches(rows, Recipe(epochs=2, batch=32), seed=0)
    assert batches.per_epoch == per_epoch
    assert batches.steps == 2 * per_epoch
    drawn = torch.cat([batches.at(step) for step in range(per_epoch)])
    assert sorted(set(drawn.tolist())) == list(range(rows))
    assert all(len(batches.at(step)) > 1 for step in range(per_epoch))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    recipe = Recipe(epochs=3, batch=16)
    in_order, at_once = Batches(50, recipe, seed=1), Batches(50, recipe, seed=1)
    orders = [in_order.at(step).tolist() for step in range(in_order.steps)]
    assert at_once.at(9).tolist() == orders[9]
    assert orders[0] != orders[4]
    assert Batches(50, recipe, seed=2).at(0).tolist() != orders[0]


def test_poisson_batches_are_independent_draws_of_every_row() -> None:
    batches = Batches(1000, Recipe(epochs=40, batch=100), seed=0, poisson=True)
    drawn = [batches.at(step) for step in range(batches.steps)]
    sizes = torch.tensor([float(len(rows)) for rows in drawn])
    # Binomial(1000, 0.1): mean 100, variance 90; 400 draws.
    assert abs(float(sizes.mean()) - 100) < 3
    assert 65 < float(sizes.var()) < 120
    assert all(len(set(rows.tolist())) == len(rows) for rows in drawn)
    assert batches.at(7).tolist() == drawn[7].tolist()


def test_a_fraction_of_an_epoch_ends_within_it() -> None:
    assert Batches(100, Recipe(epochs=1.5, batch=10), seed=0).steps == 15
