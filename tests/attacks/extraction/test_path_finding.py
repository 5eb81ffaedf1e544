"""Path finding: every leaf of a tree whose leaves answer differently, for a bounded number of queries."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from stealproof.attacks.extraction.path_finding import PathFinding
from stealproof.attacks.outcome import Examiner
from stealproof.data.breast_cancer import BreastCancer
from stealproof.data.iris import Iris
from stealproof.defenses.answers.top_k import TopK
from stealproof.errors import AccessDenied, InputError
from stealproof.models.decision_tree import DecisionTree, DistinctLeavesTree
from stealproof.oracle import Access, Answer, Domain
from stealproof.oracles.decision_tree import DecisionTreeOracle
from stealproof.oracles.guarded import GuardedOracle
from stealproof.roles.dataset import DatasetLoader
from stealproof.training.trained import Trained, train

PLENTY = 100_000
INCOMPLETE = Access(answer=Answer.PROBABILITIES, incomplete=True)
Direction = Literal["bottom-up", "top-down"]


def tree_on(loader: DatasetLoader, *, distinct: bool = True, seed: int = 0) -> Trained:
    return train(DecisionTree(distinct_leaves=distinct), loader.load(), seed=seed)


@pytest.mark.parametrize("loader", [Iris(), BreastCancer()], ids=["iris", "breast_cancer"])
@pytest.mark.parametrize("reuse", [False, True])
def test_recovers_every_leaf_and_top_down_costs_less(loader: DatasetLoader, reuse: bool) -> None:
    victim = tree_on(loader)
    examiner = Examiner(victim.oracle(), None)
    spent: dict[Direction, int] = {}
    directions: tuple[Direction, ...] = ("bottom-up", "top-down")
    for direction in directions:
        oracle = victim.oracle(Access(incomplete=direction == "top-down"))
        surrogate = PathFinding(direction=direction, reuse_thresholds=reuse).steal(oracle, budget=PLENTY)
        assert surrogate.notes == {"leaves": victim.model.get_n_leaves(), "repeated_leaves": 0, "complete": True}
        found = examiner.examine(surrogate.model)
        assert found["uniform_fidelity"].value == 1.0
        assert found["uniform_tv_max"].value < 1e-9
        spent[direction] = surrogate.queries
    assert spent["top-down"] < spent["bottom-up"]


def test_costs_no_more_than_the_line_searches_of_every_leaf() -> None:
    victim = tree_on(BreastCancer())
    tree = victim.model.tree_
    inner = tree.children_left >= 0
    thresholds = np.unique(np.stack([tree.feature[inner], tree.threshold[inner]], axis=1), axis=0)
    most_on_a_line = int(np.bincount(thresholds[:, 0].astype(int)).max())
    bound = victim.model.get_n_leaves() * 30 * (2 + most_on_a_line * math.log2(1 / 1e-6))
    surrogate = PathFinding().steal(victim.oracle(), budget=PLENTY)
    assert surrogate.queries <= bound


def test_known_thresholds_save_queries_bottom_up() -> None:
    victim = tree_on(BreastCancer())
    plain, reusing = (
        PathFinding(reuse_thresholds=reuse).steal(victim.oracle(), budget=PLENTY).queries for reuse in (False, True)
    )
    assert reusing < 0.8 * plain


def test_a_coarse_grid_is_cheaper_and_less_exact() -> None:
    victim = tree_on(BreastCancer())
    examiner = Examiner(victim.oracle(), None)
    fine, coarse = (PathFinding(epsilon=e).steal(victim.oracle(), budget=PLENTY) for e in (1e-6, 0.01))
    assert coarse.queries < fine.queries
    assert 0.9 < examiner.examine(coarse.model)["uniform_fidelity"].value < 1.0


@pytest.mark.parametrize(("direction", "enough"), [("bottom-up", 1600), ("top-down", 400)])
def test_stops_at_the_budget_with_what_it_has(direction: Direction, enough: int) -> None:
    victim = tree_on(BreastCancer())
    examiner = Examiner(victim.oracle(), None)

    def fidelity(budget: int, seed: int) -> float:
        surrogate = PathFinding(direction=direction).steal(victim.oracle(INCOMPLETE), budget=budget, seed=seed)
        assert surrogate.queries == budget
        assert not surrogate.notes["complete"]
        return float(examiner.examine(surrogate.model)["uniform_fidelity"].value)

    # Where the first input lies decides which leaves come late, hence a mean over seeds.
    one, few, many = (float(np.mean([fidelity(budget, seed) for seed in range(3)])) for budget in (1, 50, enough))
    assert many > max(0.9, one, few)


def test_listed_levels_are_asked_one_by_one() -> None:
    rng = np.random.default_rng(0)
    levels = (0.0, 0.25, 0.5, 0.75, 1.0)
    x = np.stack([rng.choice(levels, 300), rng.choice(levels, 300), rng.uniform(size=300)], axis=1)
    y = ((x[:, 0] > 0.3) ^ (x[:, 1] > 0.6) ^ (x[:, 2] > 0.5)).astype(int)
    domain = Domain(shape=(3,), levels={0: levels, 1: levels})
    tree = DistinctLeavesTree(random_state=0).fit(x, y)
    asked = DecisionTreeOracle(tree, domain=domain, classes=2, transcript=None)
    surrogate = PathFinding().steal(asked, budget=PLENTY)
    found = Examiner(DecisionTreeOracle(tree, domain=domain, classes=2), None, uniform=2000).examine(surrogate.model)
    assert found["uniform_fidelity"].value == 1.0
    assert found["uniform_tv_max"].value < 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_a_leaf_met_in_pieces_is_put_together(seed: int) -> None:
    """Top-down meets a leaf behind thresholds of its neighbours, when features come up again along the path."""
    rng = np.random.default_rng(seed)
    levels = (0.0, 0.25, 0.5, 0.75, 1.0)
    x = np.concatenate([rng.choice(levels, (500, 3)), rng.uniform(size=(500, 3))], axis=1)
    y = (np.sin(9 * x) @ rng.normal(size=6) > 0).astype(int)
    domain = Domain(shape=(6,), levels={column: levels for column in range(3)})
    tree = DistinctLeavesTree(random_state=seed).fit(x, y)
    oracle = DecisionTreeOracle(tree, domain=domain, classes=2, access=INCOMPLETE)
    surrogate = PathFinding(direction="top-down").steal(oracle, budget=PLENTY)
    found = Examiner(DecisionTreeOracle(tree, domain=domain, classes=2), None).examine(surrogate.model)
    assert surrogate.notes["leaves"] >= tree.get_n_leaves()
    assert found["uniform_fidelity"].value >= 0.9999


def test_the_largest_confidence_alone_is_enough() -> None:
    victim = tree_on(Iris())
    surrogate = PathFinding().steal(GuardedOracle(victim.oracle(), [TopK(k=1)]), budget=PLENTY)
    assert surrogate.notes["leaves"] == victim.model.get_n_leaves()
    assert Examiner(victim.oracle(), None).examine(surrogate.model)["uniform_fidelity"].value == 1.0


def test_leaves_that_answer_alike_are_counted_and_cost_fidelity() -> None:
    """As the paper's Steak survey (28 distinct answers of 193 leaves): the search ends, but not at 100%."""
    victim = tree_on(BreastCancer(), distinct=False)
    surrogate = PathFinding().steal(victim.oracle(), budget=PLENTY)
    assert surrogate.notes["complete"]
    assert surrogate.notes["repeated_leaves"] > 0
    assert 0.5 < Examiner(victim.oracle(), None).examine(surrogate.model)["uniform_fidelity"].value < 1.0


def test_a_tree_of_one_leaf() -> None:
    tree = DecisionTreeClassifier().fit([[0.1, 0.2], [0.3, 0.4]], [1, 1])
    oracle = DecisionTreeOracle(tree, domain=Domain(shape=(2,)), classes=2, access=INCOMPLETE)
    directions: tuple[Direction, ...] = ("bottom-up", "top-down")
    for direction in directions:
        surrogate = PathFinding(direction=direction).steal(oracle, budget=100)
        assert surrogate.notes["leaves"] == 1
        assert surrogate.queries <= 5


def test_refuses_what_can_not_work() -> None:
    oracle = tree_on(Iris()).oracle()
    with pytest.raises(
        AccessDenied, match=r"top-down needs an oracle that takes incomplete queries, got probabilities"
    ):
        PathFinding(direction="top-down").steal(oracle, budget=10)
    with pytest.raises(InputError, match="epsilon must lie between 0 and 1, got 0"):
        PathFinding(epsilon=0.0).steal(oracle, budget=10)
