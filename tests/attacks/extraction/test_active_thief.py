"""ActiveThief: distances and centres are right, the plan spends the budget, and choosing beats not choosing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stealproof.attacks.extraction._deepfool import boundary_distances
from stealproof.attacks.extraction._selection import entropies, greedy_centres, nearest_to_boundary
from stealproof.attacks.extraction.active_thief import ActiveThief
from stealproof.errors import InputError
from stealproof.oracle import Access, Answer, as_array
from stealproof.roles.dataset import Dataset
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained

QUICK = Recipe(epochs=60, batch=32)


def linear(weights: list[list[float]]) -> torch.nn.Linear:
    matrix = torch.tensor(weights)
    layer: torch.nn.Linear = torch.nn.utils.skip_init(torch.nn.Linear, matrix.shape[1], len(matrix), bias=False)
    layer.weight.data = matrix
    return layer


def test_deepfool_is_exact_on_a_linear_model() -> None:
    model = linear([[1.0, 0.0], [0.0, 1.0], [-5.0, -5.0]])
    x = np.array([[3.0, 1.0], [1.0, 1.5], [0.2, 0.0]], dtype=np.float32)
    # The boundary of the first two classes is the diagonal.
    expected = np.array([2.0, 0.5, 0.2]) / np.sqrt(2)
    np.testing.assert_allclose(boundary_distances(model, x), 1.02 * expected, rtol=1e-4)


def test_a_flat_network_has_no_boundary_near() -> None:
    model = linear([[0.0, 0.0], [0.0, 0.0]])
    assert np.isinf(boundary_distances(model, np.ones((2, 2), dtype=np.float32))).all()


def test_the_shortlist_does_not_change_who_is_nearest_in_a_linear_model() -> None:
    model = linear([[1.0, 0.0], [0.0, 1.0]])
    x = np.random.default_rng(0).uniform(size=(200, 2)).astype(np.float32)
    nearest = nearest_to_boundary(model, x, 10, shortlist=2.0)
    assert set(nearest.tolist()) == set(np.argsort(np.abs(x[:, 0] - x[:, 1]))[:10].tolist())


def test_centres_are_the_farthest_one_after_the_other() -> None:
    points = np.array([[0.0], [1.0], [4.0], [10.0], [10.0]])
    assert greedy_centres(points, np.array([[0.0]]), 3).tolist() == [3, 2, 1]


def test_equal_candidates_are_chosen_once_each() -> None:
    assert sorted(greedy_centres(np.zeros((4, 2)), np.zeros((600, 2)), 4).tolist()) == [0, 1, 2, 3]


def test_entropy_of_certainty_and_of_ignorance() -> None:
    np.testing.assert_allclose(entropies(np.array([[1.0, 0.0], [0.5, 0.5]])), [0, np.log(2)])


@pytest.mark.parametrize("budget", [1, 2, 5, 37, 100, 1003])
def test_the_plan_spends_the_budget(budget: int) -> None:
    plan = ActiveThief().plan(budget)
    assert sum(plan) == budget
    assert plan[1] >= 1
    assert min(plan[2:], default=1) >= 1


def test_the_plan_of_the_paper() -> None:
    assert ActiveThief().plan(1000) == [200, 100, *[70] * 10]
    assert ActiveThief(rounds=0).plan(100) == [20, 80]


def fidelity(attack: ActiveThief, digits: Dataset, victim: Trained, seed: int) -> float:
    stolen = attack.steal(victim.oracle(), digits.pool.x, budget=60, seed=seed, recipe=QUICK)
    truth = victim.oracle(Access(answer=Answer.LABELS)).ask(digits.test.x).predicted
    return float((as_array(stolen.model(digits.test.x)).argmax(axis=1) == truth).mean())


def test_choosing_beats_not_choosing(digits: Dataset, digits_victim: Trained) -> None:
    chosen, blind = (
        [fidelity(ActiveThief(strategy=s, rounds=4), digits, digits_victim, seed) for seed in range(3)]
        for s in ("dfal+k-center", "random")
    )
    assert np.mean(chosen) > np.mean(blind) + 0.01


@pytest.mark.parametrize("strategy", ["uncertainty", "k-center", "dfal"])
def test_every_strategy_steals(digits: Dataset, digits_victim: Trained, strategy: str) -> None:
    attack = ActiveThief.make({"strategy": strategy, "rounds": 2})
    stolen = attack.steal(digits_victim.oracle(), digits.pool.x, budget=80, recipe=QUICK)
    assert stolen.queries == 80
    assert stolen.notes["validation"] + sum(stolen.notes["asked_by_round"]) == 80
    assert len(stolen.notes["validation_agreement"]) == 2


def test_may_ask_the_whole_pool(digits: Dataset, digits_victim: Trained) -> None:
    attack = ActiveThief(rounds=2, validation_share=0.0)
    stolen = attack.steal(digits_victim.oracle(), digits.pool.x[:40], budget=40, recipe=QUICK)
    assert stolen.queries == 40
    assert stolen.notes["validation_agreement"] == []


def test_refuses_senseless_parameters(digits: Dataset, digits_victim: Trained) -> None:
    for attack, words in (
        (ActiveThief(rounds=-1), "rounds must be at least 0, got -1"),
        (ActiveThief(shortlist=0.5), "shortlist must be at least 1, got 0.5"),
        (ActiveThief(seed_share=1.5), "seed_share must lie between 0 and 1, got 1.5"),
    ):
        with pytest.raises(InputError, match=words):
            attack.steal(digits_victim.oracle(), digits.pool.x, budget=10)
