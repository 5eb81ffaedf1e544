"""train_surrogate: any targets, any dtype, the thief's choices where it made some, progress within its share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stealproof.attacks.extraction._surrogate import thief_recipe, train_surrogate
from stealproof.errors import InvalidData
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.oracle import Domain
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.extraction import Theft
from stealproof.training.recipe import Recipe


def theft(progress: list[tuple[str, float]] | None = None) -> Theft:
    """A thief in front of a small random network."""
    victim = Mlp(width=8).build((6,), 3, torch.Generator().manual_seed(3))
    oracle = ModuleOracle(victim, domain=Domain(shape=(6,)), classes=3)
    return Theft(
        oracle=oracle.limited(10_000),
        budget=10_000,
        pool=None,
        pool_labels=None,
        architecture=Mlp(width=16),
        recipe=Recipe(epochs=20, batch=32),
        seed=1,
        progress=lambda what, share: progress.append((what, share)) if progress is not None else None,
    )


def test_labels_and_probabilities_of_any_float_dtype_give_a_faithful_surrogate() -> None:
    thief = theft()
    x = np.random.default_rng(0).random((600, 6))
    answers = thief.ask(x)
    for inputs, targets in ((x, answers.predicted), (x.astype(np.float32), thief.soft_targets(answers))):
        model = train_surrogate(thief, inputs, targets)
        with torch.no_grad():
            predicted = model(torch.as_tensor(x, dtype=torch.float32)).argmax(dim=1).numpy()
        assert not model.training
        assert (predicted == answers.predicted).mean() > 0.9


def test_the_name_and_the_seed_decide_the_weights() -> None:
    thief = theft()
    x, targets = np.random.default_rng(0).random((60, 6)), np.arange(60) % 3

    def first(name: str) -> torch.Tensor:
        return next(train_surrogate(thief, x, targets, name=name).parameters())

    assert torch.equal(first("a"), first("a"))
    assert not torch.equal(first("a"), first("b"))


def test_progress_stays_within_its_share() -> None:
    calls: list[tuple[str, float]] = []
    x, targets = np.random.default_rng(0).random((60, 6)), np.arange(60) % 3
    train_surrogate(theft(calls), x, targets, name="round 2", progress_share=(0.5, 0.75))
    assert calls[-1] == ("training round 2", 0.75)
    assert all(0.5 <= share <= 0.75 for _, share in calls)


def test_targets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidData, match=r"expected targets of shape \(4,\) or \(4, 3\), got \(5,\)"):
        train_surrogate(theft(), np.zeros((4, 6)), np.zeros(5, dtype=np.int64))


def test_only_bare_labels_are_smoothed_and_only_for_convolutions() -> None:
    labels, one_hot = torch.tensor([0, 1]), torch.eye(2)
    soft = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    smoothing = [thief_recipe(LeNet(), y).label_smoothing for y in (labels, one_hot, soft)]
    assert smoothing == [0.1, 0.1, 0.0]
    assert thief_recipe(Mlp(), labels).label_smoothing == 0
