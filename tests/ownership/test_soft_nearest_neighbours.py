"""The soft nearest neighbour loss: equal to a naive double loop, finite, and larger the more groups are entangled."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.models.resnet import ResNet
from stealproof.models.strided_cnn import StridedCnn
from stealproof.ownership._soft_nearest_neighbours import (
    entanglement,
    hidden_features,
    soft_nearest_neighbour_loss,
)
from stealproof.roles.architecture import NetworkFamily


def naive(features: np.ndarray, groups: list[int], temperature: float) -> float:
    losses = []
    for i, one in enumerate(features):
        own = every = 0.0
        for j, other in enumerate(features):
            if i == j:
                continue
            distance = 1 - one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
            weight = math.exp(-distance / temperature)
            every += weight
            own += weight * (groups[i] == groups[j])
        if own > 0:
            losses.append(-math.log(own / every))
    return float(np.mean(losses)) if losses else 0.0


@given(
    seed=st.integers(0, 1000),
    rows=st.integers(2, 12),
    kinds=st.integers(1, 4),
    temperature=st.floats(0.05, 10),
)
def test_equals_a_naive_double_loop(seed: int, rows: int, kinds: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    features, groups = rng.normal(size=(rows, 5)), rng.integers(0, kinds, size=rows).tolist()
    got = soft_nearest_neighbour_loss(torch.from_numpy(features), torch.tensor(groups), temperature)
    assert got.dtype == torch.float32
    assert float(got) == pytest.approx(naive(features, groups, temperature), rel=1e-3, abs=1e-4)


def test_entangled_groups_lose_more_than_separate_ones() -> None:
    rng = np.random.default_rng(0)
    groups = torch.arange(40) % 2
    mixed = torch.from_numpy(rng.normal(size=(40, 6)))
    apart = mixed + 10 * torch.nn.functional.one_hot(groups, 6)
    loss = soft_nearest_neighbour_loss
    assert float(loss(apart, groups, 0.1)) < 0.1 * float(loss(mixed, groups, 0.1))


def test_entanglement_is_the_sum_over_the_last_hidden_layers() -> None:
    model = Mlp(width=16, depth=3).build((4,), 3, torch.Generator().manual_seed(0)).eval()
    x, groups = torch.rand(8, 4, generator=torch.Generator().manual_seed(1)), torch.arange(8) % 2
    each = [float(soft_nearest_neighbour_loss(rows.detach(), groups, 0.5)) for rows in hidden_features(model, x, 3)]
    for layers in (1, 2, 3):
        total = entanglement(model, x, groups, layers=layers, temperature=0.5).detach()
        assert float(total) == pytest.approx(sum(each[-layers:]), rel=1e-5)


def test_gradients_are_finite_where_rows_coincide_or_temperatures_are_small() -> None:
    features = torch.ones(6, 3, requires_grad=True)
    loss = soft_nearest_neighbour_loss(features * torch.tensor([[1.0, 0, 0]]), torch.arange(6) % 2, 1e-3)
    (gradient,) = torch.autograd.grad(loss, features)
    assert math.isfinite(float(loss.detach()))
    assert bool(gradient.isfinite().all())


def test_rows_without_company_do_not_count() -> None:
    features = torch.eye(3)
    assert float(soft_nearest_neighbour_loss(features, torch.tensor([0, 1, 2]), 1.0)) == 0


@pytest.mark.parametrize(
    ("family", "widths"),
    [
        (Mlp(width=16), [16]),
        (Mlp(width=16, depth=3), [16, 16, 16]),
        (LeNet(width=4, hidden=8), [4 * 49, 8 * 4, 8]),
        (StridedCnn(widths=(4, 8)), [4 * 256, 8 * 64]),
        (ResNet(), None),
    ],
    ids=str,
)
def test_hidden_features_of_every_kind_of_network(family: NetworkFamily, widths: list[int] | None) -> None:
    model = family.build((1, 16, 16), 10, torch.Generator().manual_seed(0)).eval()
    x = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    features = hidden_features(model, x, 3)
    assert len(features) == (3 if widths is None else len(widths))
    assert all(len(rows) == 5 and rows.requires_grad for rows in features)
    if widths is not None:
        assert [rows.flatten(1).shape[1] for rows in features] == widths
    # No hook is left behind.
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_network_without_hidden_layer_is_refused() -> None:
    model = Mlp(depth=0).build((4,), 3, torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="expected a network with a hidden layer"):
        hidden_features(model, torch.rand(2, 4), 3)
