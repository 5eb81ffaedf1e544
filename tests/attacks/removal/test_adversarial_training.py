"""Adversarial training: neighbours stay near and legal, and the network becomes harder to fool."""

from __future__ import annotations

import pytest
import torch

from stealproof.attacks.removal.adversarial_training import AdversarialTraining
from stealproof.defenses.training._worst_nearby import worst_nearby
from stealproof.errors import InputError
from stealproof.models.strided_cnn import StridedCnn
from stealproof.oracle import Domain
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.trained import Trained

RADIUS = 0.1


def fooled(model: torch.nn.Module, data: Part, *, steps: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return worst_nearby(model, data, radius=RADIUS, step=0.025, steps=steps, low=0.0, high=1.0, generator=generator)


def accuracy(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    with torch.inference_mode():
        return float((model(x).argmax(dim=1) == y).double().mean())


def test_neighbours_are_near_legal_and_worse_than_where_they_start(digits_victim: Trained, digits: Dataset) -> None:
    x, start = fooled(digits_victim.model, digits.test), fooled(digits_victim.model, digits.test, steps=0)
    for made in (x, start):
        assert made.dtype == torch.float32
        assert float((made - digits.test.x).abs().max()) <= RADIUS + 1e-6
        assert 0 <= float(made.min()) <= float(made.max()) <= 1
    assert accuracy(digits_victim.model, x, digits.test.y) < accuracy(digits_victim.model, start, digits.test.y) - 0.2


def test_looking_for_neighbours_leaves_mode_gradients_and_statistics_alone(digits: Dataset) -> None:
    model = StridedCnn(widths=(4, 4)).build((1, 8, 8), 10, torch.Generator().manual_seed(0)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fooled(model, digits.pool.take(slice(20)))
    assert model.training
    assert all(weight.grad is None for weight in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_washed_network_is_harder_to_fool(digits_victim: Trained, digits: Dataset) -> None:
    removal = AdversarialTraining(radius=RADIUS, epochs=30, learning_rate=0.05)
    washed = removal.erase(digits_victim.model, digits.pool, domain=digits.domain, classes=10)
    robust, before = (
        accuracy(model, fooled(model, digits.test), digits.test.y) for model in (washed, digits_victim.model)
    )
    assert robust > before + 0.1


def test_an_open_range_has_no_width_to_take_a_share_of(digits_victim: Trained, digits: Dataset) -> None:
    domain = Domain(shape=(1, 8, 8), low=0.0, high=float("inf"))
    with pytest.raises(InputError, match="adversarial_training needs inputs between bounds"):
        AdversarialTraining().erase(digits_victim.model, digits.pool, domain=domain, classes=10)
