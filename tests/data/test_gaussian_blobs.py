"""Gaussian blobs: any number of columns and classes, inside the box, a pure function of the seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stealproof.data.gaussian_blobs import GaussianBlobs
from stealproof.errors import InvalidData
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.training.trained import train


def test_has_the_columns_and_classes_that_were_asked_for() -> None:
    data = GaussianBlobs(dimensions=7, classes=4, rows=400).load()
    rows = torch.cat([part.x for part in data.parts.values()])
    assert rows.shape == (400, 7)
    assert rows.dtype == torch.float64
    assert 0 <= float(rows.min()) < float(rows.max()) <= 1
    labels = torch.cat([part.y for part in data.parts.values()])
    assert torch.bincount(labels).tolist() == [100] * 4


def test_follows_from_its_seed() -> None:
    one, two, other = (GaussianBlobs(seed=seed).load().train.x for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_separation_makes_it_easier() -> None:
    near, far = (GaussianBlobs(separation=separation).load() for separation in (0.5, 2.0))
    accuracy = [train(LogisticRegression(), data).accuracy(data.test).value for data in (near, far)]
    assert accuracy[0] < 0.85 < accuracy[1]


def test_uniform_inputs_fall_into_every_class() -> None:
    data = GaussianBlobs(dimensions=20, classes=4).load()
    victim = train(LogisticRegression(), data).oracle()
    answers = victim.query(data.domain.uniform(2000, np.random.default_rng(0)))
    assert np.bincount(answers.predicted, minlength=4).min() > 100


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"dimensions": 0}, "dimensions of gaussian_blobs must be at least 1, got 0"),
        ({"classes": 1}, "classes of gaussian_blobs must be at least 2, got 1"),
        ({"classes": 5, "rows": 4}, "rows of gaussian_blobs must be at least 5, got 4"),
        ({"noise": 0.0}, "noise of gaussian_blobs must be positive, got 0.0"),
    ],
)
def test_refuses_senseless_sizes(parameters: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        GaussianBlobs.make(parameters).load()
