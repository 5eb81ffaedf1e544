from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from stealproof.errors import IncompatibleDefenses, InputError, InvalidData
from stealproof.inputs.data import open_data
from stealproof.models.decision_tree import DecisionTree
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.models.mlp import Mlp
from stealproof.models.random_forest import RandomForest
from stealproof.oracle import Access, Answer, Budget
from stealproof.roles.architecture import EstimatorFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_network
from stealproof.training.trained import Trained, train

BRIEF = Recipe(epochs=2, batch=64)


def test_the_card_tells_how_the_model_came_to_be(digits: Dataset) -> None:
    card = train(Mlp(width=8), digits, recipe=BRIEF, seed=3).card
    assert card["family"] == {"name": "mlp", "parameters": {"width": 8, "depth": 1}}
    assert card["data"]["name"] == "digits"
    assert card["seed"] == 3
    assert card["recipe"]["epochs"] == 2
    assert card["protections"] == []


@pytest.mark.parametrize("family", [LogisticRegression(), RandomForest(trees=5), DecisionTree()])
def test_an_estimator_learns_and_is_a_function_of_its_seed(family: EstimatorFamily) -> None:
    data = open_data("breast_cancer")
    one, same = (train(family, data, seed=1) for _ in range(2))
    assert one.accuracy(data.test).value > 0.85
    assert not one.is_network
    first, second = (model.oracle().ask(data.test.x).scores for model in (one, same))
    assert np.array_equal(np.asarray(first), np.asarray(second))


def test_images_are_flattened_for_an_estimator(digits: Dataset) -> None:
    assert train(LogisticRegression(), digits).accuracy(digits.test).value > 0.9


def test_the_oracle_is_that_of_the_model_with_these_meters(digits: Dataset, digits_victim: Trained) -> None:
    budget = Budget(limit=3)
    oracle = digits_victim.oracle(Access(answer=Answer.LOGITS), budget=budget)
    assert oracle.query(digits.test.x[:3]).scores is not None
    assert budget.remaining == 0
    assert digits_victim.accuracy(digits.test).value > 0.9


def test_a_tree_answers_incomplete_inputs() -> None:
    data = open_data("iris")
    oracle = train(DecisionTree(), data).oracle(Access(incomplete=True))
    assert oracle.query(np.full((1, 4), np.nan)).predicted.shape == (1,)


def test_an_estimator_takes_no_recipe_and_no_soft_labels() -> None:
    data = open_data("iris")
    with pytest.raises(
        InputError, match="logistic_regression is a scikit-learn estimator and takes no recipe; drop it"
    ):
        train(LogisticRegression(), data, recipe=Recipe())
    soft = Part(x=data.train.x, y=torch.full((len(data.train), 3), 1 / 3))
    import dataclasses

    softened = dataclasses.replace(data, parts={"train": soft})
    with pytest.raises(InvalidData, match="wants one label for each row, got targets of shape"):
        train(LogisticRegression(), softened)


@dataclass(frozen=True, kw_only=True)
class Fewer(TrainingDefense):
    """Trains on the first rows only."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Half of the rows."""
        return data.take(slice(0, len(data) // 2))


@dataclass(frozen=True, kw_only=True)
class Noisy(TrainingDefense):
    """Adds noise to every batch."""

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """The batch, noisy."""
        return batch


def test_an_estimator_shares_only_the_data_stage_with_protections() -> None:
    data = open_data("iris")
    halved = train(LogisticRegression(), data, protections=[Fewer()])
    assert not np.array_equal(halved.model.coef_, train(LogisticRegression(), data).model.coef_)
    with pytest.raises(IncompatibleDefenses, match=r"acts at perturb, which logistic_regression .* choose a network"):
        train(LogisticRegression(), data, protections=[Noisy()])


def test_a_finished_run_leaves_no_checkpoint(digits: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "run"
    train(Mlp(width=8), digits, recipe=BRIEF, checkpoint=path)
    assert not path.exists()


def test_the_network_suits_the_shape() -> None:
    assert suited_network((1, 28, 28), 10).name() == "lenet"
    assert suited_network((1, 8, 8), 10).name() == "mlp"
    assert suited_network((108,), 2).name() == "mlp"
