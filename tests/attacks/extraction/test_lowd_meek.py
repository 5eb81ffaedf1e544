"""Lowd-Meek: the weights of a linear classifier, from labels alone, for some twenty queries a feature."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stealproof.attacks.extraction._affine_surrogate import affine_network
from stealproof.attacks.extraction.lowd_meek import LowdMeek
from stealproof.attacks.outcome import Examiner
from stealproof.data.gaussian_blobs import GaussianBlobs
from stealproof.errors import BudgetExceeded, InputError
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.oracle import Access, Answer, Domain
from stealproof.oracles.module import ModuleOracle
from stealproof.training.trained import Trained, train

LABELS = Access(answer=Answer.LABELS)


def victim_of(dimensions: int, classes: int = 2) -> Trained:
    return train(LogisticRegression(), GaussianBlobs(dimensions=dimensions, classes=classes, rows=600).load())


@pytest.mark.parametrize("dimensions", [2, 8, 30, 108])
def test_labels_give_the_hyperplane_for_about_23_queries_a_feature(dimensions: int) -> None:
    victim = victim_of(dimensions)
    surrogate = LowdMeek().steal(victim.oracle(LABELS), budget=100 * (dimensions + 1))
    assert surrogate.queries <= 24 * dimensions + 40
    assert Examiner(victim.oracle(), None).examine(surrogate.model)["uniform_fidelity"].value >= 0.9999
    linear = surrogate.model[1]  # type: ignore[index]
    ours = (linear.weight[1] - linear.weight[0]).detach().numpy()
    theirs = victim.model.coef_[0]
    cosine = float(ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs))
    assert cosine > 1 - 1e-9


def test_a_small_budget_gives_a_coarser_answer_and_too_small_a_one_a_sentence() -> None:
    victim = victim_of(30)
    examiner = Examiner(victim.oracle(), None)
    coarse = LowdMeek().steal(victim.oracle(LABELS), budget=300)
    assert coarse.queries <= 300
    assert 4 <= coarse.notes["halvings"] < 10
    assert 0.95 < examiner.examine(coarse.model)["uniform_fidelity"].value < 1.0
    with pytest.raises(
        BudgetExceeded, match=r"needs more than \d+ queries for 30 inputs, got a budget of 60; about 690 locate"
    ):
        LowdMeek().steal(victim.oracle(LABELS), budget=60)


def test_a_weight_of_zero_comes_out_as_zero() -> None:
    weights = np.array([[0.0, 1.0], [0.0, -2.0], [0.0, 0.0], [0.0, 0.5], [0.0, 0.3]])
    network = affine_network(weights)
    oracle = ModuleOracle(network, domain=Domain(shape=(2, 2)), classes=2, access=LABELS)
    model = LowdMeek(delta=1e-4).steal(oracle, budget=500).model
    stolen = (model[1].weight[1] - model[1].weight[0]).detach().numpy()  # type: ignore[index]
    assert stolen[2] == 0.0
    np.testing.assert_allclose(stolen / stolen[0], [1, -2, 0, 0.5], atol=1e-4)


def test_a_pool_shows_the_class_that_uniform_inputs_miss() -> None:
    data = GaussianBlobs(dimensions=5, rows=600).load()
    victim = train(LogisticRegression(), data)
    # Moved so far that hardly any uniform input is of class 1.
    slope = victim.model.coef_[0]
    corner = (slope > 0).astype(np.float64)
    victim.model.intercept_[:] = 0.05 * np.abs(slope).sum() - slope @ corner
    with pytest.raises(BudgetExceeded, match=r"met only class 0 in 300 queries; raise the budget, or bring a pool"):
        LowdMeek().steal(victim.oracle(LABELS), budget=300)
    surrogate = LowdMeek().steal(victim.oracle(LABELS), corner[None], budget=300)
    near = np.clip(corner + np.random.default_rng(0).normal(scale=0.1, size=(500, 5)), 0, 1)
    theirs = victim.oracle(LABELS).query(near).predicted
    ours = surrogate.model(torch.as_tensor(near)).argmax(dim=1).numpy()
    assert 0.1 < theirs.mean() < 0.9
    assert (ours == theirs).mean() > 0.99


def test_refuses_more_classes_and_senseless_precisions() -> None:
    with pytest.raises(InputError, match="steals classifiers of 2 classes, got 3; use label_only_retraining"):
        LowdMeek().steal(victim_of(4, 3).oracle(LABELS), budget=100)
    with pytest.raises(InputError, match="epsilon must lie between 0 and 1, got 2"):
        LowdMeek(epsilon=2.0).steal(victim_of(4).oracle(LABELS), budget=100)
