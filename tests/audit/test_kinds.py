from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from stealproof import catalog
from stealproof.audit._kinds import kinds_of
from stealproof.roles.architecture import NetworkFamily


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        (LogisticRegression(), {"logistic regression"}),
        (DecisionTreeClassifier(), {"decision tree"}),
        (RandomForestClassifier(), set()),
        (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)), {"network", "logistic regression"}),
        (object(), set()),
    ],
)
def test_models_are_known_by_their_class_or_layers(model: Any, kinds: set[str]) -> None:
    assert set(kinds_of(model)) == kinds


@pytest.mark.parametrize(
    ("name", "parameters", "kinds"),
    [
        ("mlp", {}, {"network", "two-layer relu"}),
        ("mlp", {"depth": 2}, {"network"}),
        ("lenet", {}, {"network"}),
    ],
)
def test_families_of_the_catalog_are_known(name: str, parameters: dict[str, Any], kinds: set[str]) -> None:
    family = catalog.make(name, "model", **parameters)
    assert isinstance(family, NetworkFamily)
    assert set(kinds_of(family.build((1, 28, 28), 10, torch.Generator()))) == kinds
