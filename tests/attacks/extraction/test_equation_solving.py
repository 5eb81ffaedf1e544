"""Equation solving: exact from d+1 answers, robust where answers are rounded or saturated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression as Estimator
from sklearn.multiclass import OneVsRestClassifier

from stealproof.attacks.extraction.equation_solving import EquationSolving
from stealproof.attacks.outcome import Examiner
from stealproof.data.gaussian_blobs import GaussianBlobs
from stealproof.defenses.answers.round_scores import RoundScores
from stealproof.errors import BudgetExceeded, InputError
from stealproof.measures.estimate import Estimate
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Oracle
from stealproof.oracles.estimator import EstimatorOracle
from stealproof.oracles.guarded import GuardedOracle
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.dataset import Dataset
from stealproof.roles.extraction import Surrogate
from stealproof.seeds import generator
from stealproof.training.trained import Trained, train


def blobs(dimensions: int, classes: int = 2, separation: float = 1.0) -> Dataset:
    return GaussianBlobs(dimensions=dimensions, classes=classes, separation=separation, rows=600).load()


def outcome(victim: Oracle, surrogate: Surrogate, uniform: int = 10_000) -> dict[str, Estimate]:
    return Examiner(victim, None, uniform=uniform).examine(surrogate.model)


@pytest.mark.parametrize("dimensions", [8, 30, 108])
@pytest.mark.parametrize("classes", [2, 5])
def test_d_plus_one_queries_recover_a_softmax_exactly(dimensions: int, classes: int) -> None:
    victim = train(LogisticRegression(), blobs(dimensions, classes)).oracle()
    surrogate = EquationSolving().steal(victim, budget=5 * dimensions)
    assert surrogate.queries == dimensions + 1
    found = outcome(victim, surrogate)
    assert found["uniform_fidelity"].value == 1.0
    assert found["uniform_tv_max"].value < 1e-9


def test_logits_need_no_logarithm() -> None:
    trained = train(LogisticRegression(), blobs(8, 3))
    stolen = EquationSolving().steal(trained.oracle(), budget=9)
    linear = ModuleOracle(stolen.model, domain=trained.domain, classes=3, access=Access(answer=Answer.LOGITS))
    again = EquationSolving().steal(linear, budget=9)
    assert outcome(trained.oracle(), again)["uniform_tv_max"].value < 1e-9


def test_too_small_a_budget_names_what_is_needed() -> None:
    victim = train(LogisticRegression(), blobs(8)).oracle()
    with pytest.raises(BudgetExceeded, match=r"needs at least 9 queries for 8 inputs and a bias, got a budget of 8"):
        EquationSolving().steal(victim, budget=8)
    assert victim.budget.spent == 0


def test_a_senseless_alpha_is_refused() -> None:
    victim = train(LogisticRegression(), blobs(8)).oracle()
    with pytest.raises(InputError, match="alpha must be positive, got 0"):
        EquationSolving(alpha=0.0).steal(victim, budget=9)


def rounded(trained: Trained, decimals: int, *, declared: bool = True) -> Oracle:
    oracle = GuardedOracle(trained.oracle(), [RoundScores(decimals=decimals)])
    if not declared:
        oracle.access = Access(answer=Answer.PROBABILITIES)
    return oracle


def test_rounding_hurts_d_plus_one_queries_and_more_queries_mend_it() -> None:
    trained = train(LogisticRegression(), blobs(30, separation=0.5))
    exact = trained.oracle()

    def fidelity(decimals: int, budget: int) -> float:
        runs = [EquationSolving().steal(rounded(trained, decimals), budget=budget, seed=seed) for seed in range(15)]
        return float(np.mean([outcome(exact, run)["uniform_fidelity"].value for run in runs]))

    assert fidelity(4, 31) >= 0.998
    assert fidelity(2, 31) <= 0.97
    assert fidelity(2, 310) >= 0.99


def test_undeclared_rounding_is_noticed() -> None:
    trained = train(LogisticRegression(), blobs(8))
    surrogate = EquationSolving().steal(rounded(trained, 2, declared=False), budget=200)
    assert surrogate.notes["rounding_unit"] == 0.01
    assert surrogate.queries == 200
    assert outcome(trained.oracle(), surrogate)["uniform_fidelity"].value >= 0.99


def test_a_saturated_victim_is_asked_again_nearer_its_boundary() -> None:
    data = blobs(10, separation=4.0)
    estimator = Estimator(C=1e8, max_iter=5000).fit(data.train.x.numpy(), data.train.y.numpy())
    # Steep enough that nearly every uniform input is answered with exactly 0 or 1.
    estimator.coef_ *= 40
    estimator.intercept_ *= 40
    victim = EstimatorOracle(estimator, domain=data.domain, classes=2)
    surrogate = EquationSolving().steal(victim, budget=200)
    assert surrogate.notes["saturated_queries"] > 5
    assert 11 < surrogate.queries <= 200
    assert outcome(victim, surrogate)["uniform_fidelity"].value >= 0.9999


def test_one_versus_rest_costs_half_a_query_for_each_unknown() -> None:
    data = blobs(8, 5)
    estimator = OneVsRestClassifier(Estimator()).fit(data.train.x.numpy(), data.train.y.numpy())
    victim = EstimatorOracle(estimator, domain=data.domain, classes=5)
    surrogate = EquationSolving(model="one-vs-rest", alpha=0.5).steal(victim, budget=1000)
    assert surrogate.queries == 23
    found = outcome(victim, surrogate)
    assert found["uniform_fidelity"].value == 1.0
    assert found["uniform_tv_max"].value < 1e-9
    wrong_class = EquationSolving(alpha=0.5).steal(victim, budget=1000)
    assert outcome(victim, wrong_class)["uniform_tv_max"].value > 0.01


def test_a_small_network_is_copied_in_behaviour_and_better_from_more_queries() -> None:
    data = blobs(6, 3)
    hidden = EquationSolving(model="mlp", hidden=5)
    network = Mlp(width=5).build((6,), 3, generator(0)).double()
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(3)  # an untrained network is nearly constant
    victim = ModuleOracle(network, domain=data.domain, classes=3)
    few, many = (hidden.steal(victim, budget=budget) for budget in (26, 530))
    assert many.notes["unknowns"] == 53
    found = [outcome(victim, run) for run in (few, many)]
    assert found[1]["uniform_fidelity"].value > 0.98
    assert found[1]["uniform_tv"].value < found[0]["uniform_tv"].value
