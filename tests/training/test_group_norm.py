"""Group normalisation in place of batch normalisation."""

from __future__ import annotations

import pytest
import torch

from stealproof.models.mlp import Mlp
from stealproof.models.resnet import ResNet
from stealproof.roles.dataset import Part
from stealproof.training.fit import fit
from stealproof.training.group_norm import without_batch_norm
from stealproof.training.recipe import Recipe


def resnet(family: ResNet) -> torch.nn.Module:
    model = family.build((1, 12, 12), 3, torch.Generator().manual_seed(0))
    torch.nn.init.constant_(model.get_parameter("1.weight"), 3.0)
    return model


def test_every_batch_normalisation_is_replaced_and_the_rest_is_kept() -> None:
    model, reference = resnet(ResNet()), resnet(ResNet(norm="group"))
    made = without_batch_norm(model)
    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in model.modules())
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in made.modules())
    assert [tuple(w.shape) for w in made.parameters()] == [tuple(w.shape) for w in model.parameters()]
    assert torch.equal(made.get_parameter("1.weight"), model.get_parameter("1.weight"))
    x = torch.rand(2, 1, 12, 12)
    torch.testing.assert_close(made(x), reference(x))


def test_the_copy_trains_privately() -> None:
    pytest.importorskip("opacus")
    from stealproof.defenses.training.dp_sgd import DpSgd

    layers = [torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 3)]
    made = without_batch_norm(torch.nn.Sequential(*layers))
    assert isinstance(made[1], torch.nn.GroupNorm)
    data = Part(x=torch.rand(60, 6), y=torch.arange(60) % 3)
    recipe = Recipe(epochs=1, batch=20, learning_rate=0.1)
    fit(Mlp(), data, classes=3, recipe=recipe, protections=[DpSgd(noise_multiplier=1.0)], start=made)


def test_a_bare_layer_and_one_without_scales() -> None:
    made = without_batch_norm(torch.nn.BatchNorm2d(12, affine=False).double())
    assert isinstance(made, torch.nn.GroupNorm)
    assert made.num_groups == 1
