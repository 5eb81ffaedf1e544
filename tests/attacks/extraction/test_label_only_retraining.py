"""Label-only retraining: adaptive queries beat uniform ones, and more of them help."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch

from stealproof.attacks.extraction.label_only_retraining import LabelOnlyRetraining
from stealproof.attacks.outcome import Examiner
from stealproof.data.gaussian_blobs import GaussianBlobs
from stealproof.errors import InputError
from stealproof.measures.paired import paired_difference
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Transcript
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

LABELS = Access(answer=Answer.LABELS)
Strategy = Literal["uniform", "line-search", "adaptive"]
DIMENSIONS = 12


@pytest.fixture(scope="module")
def victims() -> list[Trained]:
    loaders = [GaussianBlobs(dimensions=DIMENSIONS, rows=600, seed=seed) for seed in range(4)]
    return [train(LogisticRegression(), loader.load(), seed=seed) for seed, loader in enumerate(loaders)]


@pytest.fixture(scope="module")
def fidelity(victims: list[Trained]) -> Callable[[Strategy, int], list[float]]:
    examiners = [Examiner(victim.oracle(), None, seed=seed) for seed, victim in enumerate(victims)]

    @functools.cache
    def measure(strategy: Strategy, factor: int) -> list[float]:
        found = []
        for seed, (victim, examiner) in enumerate(zip(victims, examiners, strict=True)):
            budget = factor * (DIMENSIONS + 1)
            stolen = LabelOnlyRetraining(strategy=strategy).steal(victim.oracle(LABELS), budget=budget, seed=seed)
            assert stolen.queries == budget
            found.append(examiner.examine(stolen.model)["uniform_fidelity"].value)
        return found

    return measure


@pytest.mark.parametrize("factor", [5, 20, 100])
def test_adaptive_beats_uniform(fidelity: Callable[[Strategy, int], list[float]], factor: int) -> None:
    comparison = paired_difference(fidelity("adaptive", factor), fidelity("uniform", factor))
    assert comparison.difference.value > 0
    assert comparison.p_value < 0.05


def test_adaptive_reaches_99_percent_at_100_queries_a_weight(
    fidelity: Callable[[Strategy, int], list[float]],
) -> None:
    assert min(fidelity("adaptive", 100)) >= 0.99


def test_line_search_needs_many_queries_and_then_beats_uniform(
    fidelity: Callable[[Strategy, int], list[float]],
) -> None:
    assert np.mean(fidelity("line-search", 5)) < np.mean(fidelity("uniform", 5))
    assert np.mean(fidelity("line-search", 100)) > np.mean(fidelity("uniform", 100))


def test_line_search_queries_close_in_on_the_boundary(victims: list[Trained]) -> None:
    transcript = Transcript()
    oracle = victims[0].oracle(LABELS, transcript=transcript)
    LabelOnlyRetraining(strategy="line-search").steal(oracle, budget=600)
    margin = np.abs(victims[0].model.decision_function(transcript.all_queries()))
    assert np.median(margin[-100:]) < 0.1 * np.median(margin[:100])


@pytest.mark.parametrize("strategy", ["uniform", "line-search", "adaptive"])
def test_does_not_train_on_the_inputs_that_it_is_examined_on(victims: list[Trained], strategy: Strategy) -> None:
    """Thief and examiner share the seed, so their generators must have different names."""
    asked, examined = Transcript(), Transcript()
    oracle = victims[0].oracle(LABELS, transcript=asked)
    LabelOnlyRetraining(strategy=strategy).steal(oracle, budget=300, seed=7)
    Examiner(victims[0].oracle(transcript=examined), None, uniform=1000, seed=7)
    distance = np.abs(asked.all_queries()[:, None] - examined.all_queries()[None]).max(axis=2)
    assert distance.min() > 1e-6


def test_more_than_two_classes() -> None:
    victim = train(LogisticRegression(), GaussianBlobs(dimensions=10, classes=4, rows=600).load())
    surrogate = LabelOnlyRetraining().steal(victim.oracle(LABELS), budget=1100)
    assert Examiner(victim.oracle(), None).examine(surrogate.model)["uniform_fidelity"].value > 0.98


def test_the_thief_may_bring_an_architecture() -> None:
    victim = train(LogisticRegression(), GaussianBlobs(dimensions=4, rows=400).load())
    surrogate = LabelOnlyRetraining(rounds=2).steal(
        victim.oracle(LABELS), budget=300, architecture=Mlp(width=8), recipe=Recipe(epochs=20, batch=32)
    )
    assert sum(isinstance(layer, torch.nn.Linear) for layer in surrogate.model.modules()) == 2
    assert Examiner(victim.oracle(), None).examine(surrogate.model)["uniform_fidelity"].value > 0.9


def test_one_class_alone_gives_a_constant_surrogate(victims: list[Trained]) -> None:
    surrogate = LabelOnlyRetraining().steal(victims[0].oracle(LABELS), budget=1)
    predicted = surrogate.model(torch.rand(20, DIMENSIONS, dtype=torch.float64)).argmax(dim=1)
    assert len(predicted.unique()) == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"halvings": 0}, "halvings must be at least 1, got 0"),
        ({"uncertain_share": 1.5}, "uncertain_share must lie between 0 and 1, got 1.5"),
        ({"strength": 0.0}, "strength must be positive, got 0"),
    ],
)
def test_refuses_senseless_parameters(victims: list[Trained], parameters: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LabelOnlyRetraining.make(parameters).steal(victims[0].oracle(LABELS), budget=10)
