from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from stealproof.errors import InputError, UnknownName
from stealproof.studies import workshop as module
from stealproof.studies.store import Store
from stealproof.studies.workshop import Workshop, adapted
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

RECIPE = {"epochs": 2.0}


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry for each model that is really trained."""
    log: list[object] = []

    def counted(family: Any, *arguments: Any, **words: Any) -> Trained:
        log.append(family)
        return train(family, *arguments, **words)

    monkeypatch.setattr(module, "train", counted)
    return log


def weights(trained: Trained) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in trained.model.state_dict().values()])


def test_a_victim_is_trained_once_and_the_same_one_is_opened_again(store: Store, trainings: list[object]) -> None:
    first = Workshop(store)
    victim = first.victim("mlp", "digits", model_parameters={"width": 8}, recipe=RECIPE)
    assert first.victim("mlp", "digits", model_parameters={"width": 8}, recipe=RECIPE) is victim
    again = Workshop(store).victim("mlp", "digits", model_parameters={"width": 8}, recipe=RECIPE)
    assert len(trainings) == 1
    assert torch.equal(weights(victim), weights(again))
    assert (again.domain, again.classes) == (victim.domain, victim.classes)


def test_other_arguments_are_another_victim(store: Store, trainings: list[object]) -> None:
    workshop = Workshop(store)
    victims = [
        workshop.victim("mlp", "digits", recipe=RECIPE),
        workshop.victim("mlp", "digits", recipe=RECIPE, seed=1),
        workshop.victim("mlp", "digits", recipe={"epochs": 1.0}),
        workshop.victim("mlp", "digits", recipe=RECIPE, data_parameters={"split_seed": 1}),
    ]
    assert len(trainings) == 4
    assert len({float(weights(victim).sum()) for victim in victims}) == 4


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_damaged_victim_is_noticed_and_trained_again(
    store: Store, trainings: list[object], suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    victim = Workshop(store).victim("mlp", "digits", recipe=RECIPE)
    (path,) = (store.folder / "models").rglob(f"*{suffix}")
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    with caplog.at_level(logging.WARNING):
        again = Workshop(store).victim("mlp", "digits", recipe=RECIPE)
    assert len(trainings) == 2
    assert "is damaged" in caplog.text
    assert torch.equal(weights(victim), weights(again))


def test_estimators_are_kept_too(store: Store, trainings: list[object]) -> None:
    victim = Workshop(store).victim("decision_tree", "iris")
    again = Workshop(store).victim("decision_tree", "iris")
    x = Workshop(store).dataset("iris").test.x.numpy()
    np.testing.assert_array_equal(victim.oracle().query(x).scores, again.oracle().query(x).scores)
    assert len(trainings) == 1


def test_a_data_set_is_opened_once(store: Store) -> None:
    workshop = Workshop(store)
    assert workshop.dataset("digits") is workshop.dataset("digits", {})
    assert workshop.dataset("digits") is not workshop.dataset("digits", {"pool_fraction": 0.5})


def test_names_and_recipes_are_checked(store: Store) -> None:
    workshop = Workshop(store)
    with pytest.raises(UnknownName, match="did you mean 'mlp'"):
        workshop.victim("mlpp", "digits")
    with pytest.raises(UnknownName, match="did you mean 'epochs'"):
        workshop.victim("mlp", "digits", recipe={"epoch": 1})
    with pytest.raises(InputError, match="takes no recipe"):
        workshop.victim("decision_tree", "iris", recipe=RECIPE)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"epochs": "ten"}, "the recipe's epochs must be a number, got 'ten'"),
        ({"epochs": True}, "the recipe's epochs must be a number, got True"),
        ({"epochs": 0}, "epochs must be positive and finite, got 0"),
        ({"optimizer": "sdg"}, "the recipe's optimizer must be 'sgd' or 'adam' or 'muon', got 'sdg'"),
        ({"momentun": 1}, "did you mean 'momentum'"),
    ],
)
def test_adapted_refuses_what_cannot_train(changes: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        adapted(Recipe(), changes)


def test_adapted_changes_the_named_fields_only() -> None:
    assert adapted(Recipe(batch=7), {"epochs": 3, "optimizer": "adam"}) == Recipe(batch=7, epochs=3, optimizer="adam")
