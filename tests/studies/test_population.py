from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stealproof.models.mlp import Mlp
from stealproof.roles.dataset import Dataset
from stealproof.studies.population import Stock, population
from stealproof.studies.store import Store
from stealproof.studies.workshop import Workshop

STOCK = Stock(name="control", families=(Mlp(width=8), Mlp(width=4)), share=0.2)


def weights(models: list[torch.nn.Module]) -> list[torch.Tensor]:
    return [next(model.parameters()) for model in models]


def test_models_take_turns_differ_and_are_made_once(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    two = population(STOCK, 2, data=digits, pool=digits.pool, workshop=Workshop(store))
    four = population(STOCK, 4, data=digits, pool=digits.pool, workshop=Workshop(store))
    first = weights([one.model for one in four])
    assert [len(weight) for weight in first] == [8, 4, 8, 4]
    assert not torch.equal(first[0], first[2])
    assert all(torch.equal(a, b) for a, b in zip(weights([one.model for one in two]), first, strict=False))
    monkeypatch.setattr("stealproof.studies.population.fit_many", pytest.fail)
    again = population(STOCK, 4, data=digits, pool=digits.pool, workshop=Workshop(store))
    assert all(torch.equal(a, b) for a, b in zip(weights([one.model for one in again]), first, strict=True))
