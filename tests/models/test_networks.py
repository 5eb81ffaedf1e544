from __future__ import annotations

from typing import Any

import pytest
import torch

from stealproof import catalog, seeds
from stealproof.errors import InputError, InvalidData
from stealproof.roles.architecture import NetworkFamily

CASES = [
    ("mlp", {}, (1, 28, 28), 101_770),
    ("mlp", {"width": 20, "depth": 2}, (30,), 20 * 31 + 20 * 21 + 10 * 21),
    ("lenet", {}, (1, 28, 28), 225_034),
    ("resnet", {}, (1, 28, 28), 77_754),
    ("resnet", {"blocks": 3}, (3, 32, 32), None),
    ("resnet", {"norm": "group"}, (3, 32, 32), None),
    ("strided_cnn", {}, (1, 28, 28), 70_650),
    ("strided_cnn", {"widths": (8, 12), "norm": "group"}, (3, 9, 13), None),
]


@pytest.mark.parametrize(("name", "parameters", "shape", "weights"), CASES)
def test_a_network_maps_inputs_to_logits_with_so_many_weights(
    name: str, parameters: dict[str, Any], shape: tuple[int, ...], weights: int | None
) -> None:
    family: NetworkFamily = catalog.make(name, "model", **parameters)
    model = family.build(shape, 10, seeds.generator(0, "weights"))
    assert model.eval()(torch.rand(2, *shape)).shape == (2, 10)
    if weights is not None:
        assert sum(weight.numel() for weight in model.parameters()) == weights


@pytest.mark.parametrize("name", ["mlp", "lenet", "resnet", "strided_cnn"])
def test_weights_follow_from_the_generator_alone(name: str) -> None:
    family: NetworkFamily = catalog.make(name, "model")
    state = torch.random.get_rng_state()
    one, same, other = (family.build((1, 16, 16), 3, seeds.generator(seed, "weights")) for seed in (0, 0, 1))
    assert torch.equal(state, torch.random.get_rng_state())
    pairs = list(zip(one.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


def test_group_norm_keeps_the_rows_of_a_batch_apart() -> None:
    family: NetworkFamily = catalog.make("resnet", "model", norm="group", width=8)
    model = family.build((1, 16, 16), 3, seeds.generator(0, "weights")).train()
    x = torch.rand(4, 1, 16, 16)
    assert torch.allclose(model(x)[:2], model(x[:2]), atol=1e-5)
    batched: NetworkFamily = catalog.make("resnet", "model", width=8)
    model = batched.build((1, 16, 16), 3, seeds.generator(0, "weights")).train()
    assert not torch.allclose(model(x)[:2], model(x[:2]), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "parameters", "shape", "error", "said"),
    [
        ("lenet", {}, (30,), InvalidData, r"lenet wants images .* of at least 12x12, got \(30,\)"),
        ("resnet", {}, (1, 4, 4), InvalidData, r"resnet wants images .* of at least 8x8, got \(1, 4, 4\)"),
        ("resnet", {"width": 0}, (1, 28, 28), InputError, "resnet wants width and blocks of at least 1, got 0 and 1"),
        ("strided_cnn", {}, (1, 28, 4), InvalidData, "strided_cnn wants images"),
        ("strided_cnn", {"widths": ()}, (1, 28, 28), InputError, "strided_cnn wants at least one width"),
        ("resnet", {"norm": "group", "width": 12}, (1, 28, 28), None, ""),
    ],
)
def test_shapes_and_sizes_that_make_no_network(
    name: str, parameters: dict[str, Any], shape: tuple[int, ...], error: type[Exception] | None, said: str
) -> None:
    family: NetworkFamily = catalog.make(name, "model", **parameters)
    if error is None:
        family.build(shape, 10, seeds.generator(0, "weights"))
        return
    with pytest.raises(error, match=said):
        family.build(shape, 10, seeds.generator(0, "weights"))


def test_a_norm_is_one_of_two() -> None:
    with pytest.raises(InputError, match="parameter norm of resnet must be one of 'batch', 'group', got 'layer'"):
        catalog.make("resnet", "model", norm="layer")


def test_a_forest_checks_its_sizes() -> None:
    forest = catalog.make("random_forest", "model", trees=3, max_depth=2).build((4,), 2, 7)
    assert (forest.n_estimators, forest.max_depth, forest.random_state) == (3, 2, 7)
    with pytest.raises(InputError, match="trees of random_forest must be at least 1, got 0"):
        catalog.make("random_forest", "model", trees=0).build((4,), 2, 0)
