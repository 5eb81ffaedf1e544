"""fit_many: every path gives what K calls of fit give, on shared and on own data, and refuses what it can't do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import pytest
import torch

from stealproof.errors import InputError, InvalidData
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part
from stealproof.training import fit_many as module
from stealproof.training.fit import fit
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe

RECIPE = Recipe(epochs=2, batch=16, learning_rate=0.05, precision="float32")
SEEDS = (3, 1, 2)


def rows(n: int, shape: tuple[int, ...] = (6,), *, seed: int = 0, soft: bool = False) -> Part:
    """Random inputs with random targets in three classes."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (n,), generator=generator)
    targets = torch.rand(n, 3, generator=generator).softmax(dim=1) if soft else y
    return Part(x=torch.rand(n, *shape, generator=generator), y=targets)


def assert_close(many: list[torch.nn.Module], alone: list[torch.nn.Module], tolerance: float = 1e-4) -> None:
    """All parameters within ``tolerance``, networks in evaluation mode, tensors contiguous."""
    assert len(many) == len(alone)
    for one, other in zip(many, alone, strict=True):
        assert not one.training
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            assert a.is_contiguous()
            torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


@dataclass(frozen=True, kw_only=True)
class Tanh(NetworkFamily):
    """No perceptron with ReLU, so that it takes the general batched path."""

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        body = Mlp(width=8).build(shape, classes, generator)
        assert isinstance(body, torch.nn.Sequential)
        return torch.nn.Sequential(body[0], body[1], torch.nn.Tanh(), body[3])


@dataclass(frozen=True, kw_only=True)
class Dropping(NetworkFamily):
    """A network with dropout."""

    def _build(self, shape: tuple[int, ...], classes: int, generator: torch.Generator) -> torch.nn.Module:
        return torch.nn.Sequential(Mlp(width=8).build(shape, classes, generator), torch.nn.Dropout(0.1))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
@pytest.mark.parametrize("architecture", [Mlp(width=8, depth=2), Tanh()])
@pytest.mark.parametrize("soft", [False, True])
def test_batched_equals_fit(architecture: NetworkFamily, optimizer: Literal["sgd", "adam", "muon"], soft: bool) -> None:
    recipe = replace(RECIPE, optimizer=optimizer, learning_rate=0.01, label_smoothing=0.1)
    data = rows(50, soft=soft)
    many = fit_many(architecture, data, classes=3, seeds=SEEDS, recipe=recipe, path="batched")
    assert_close(many, [fit(architecture, data, classes=3, recipe=recipe, seed=seed) for seed in SEEDS])


def test_convolutions_batched_equal_fit() -> None:
    architecture, data = LeNet(width=2, hidden=8), rows(40, (1, 12, 12))
    many = fit_many(architecture, data, classes=3, seeds=SEEDS, recipe=RECIPE, path="batched")
    assert_close(many, [fit(architecture, data, classes=3, recipe=RECIPE, seed=seed) for seed in SEEDS])


def test_double_precision_stays_double() -> None:
    recipe = replace(RECIPE, precision="float64")
    many = fit_many(Mlp(width=8), rows(40), classes=3, seeds=SEEDS, recipe=recipe, path="batched")
    alone = [fit(Mlp(width=8), rows(40), classes=3, recipe=recipe, seed=seed) for seed in SEEDS]
    assert_close(many, alone, tolerance=1e-12)


@pytest.mark.parametrize("path", ["serial", "batched", "processes", "auto"])
def test_own_data_of_different_sizes(path: module.Path) -> None:
    data = [rows(50, seed=1), rows(33, seed=2), rows(50, seed=3)]
    shares: list[float] = []
    many = fit_many(
        Mlp(width=8),
        data,
        classes=3,
        seeds=SEEDS,
        recipe=RECIPE,
        path=path,
        progress=lambda what, share: shares.append(share),
    )
    alone = [
        fit(Mlp(width=8), part, classes=3, recipe=RECIPE, seed=seed) for part, seed in zip(data, SEEDS, strict=True)
    ]
    assert_close(many, alone)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_more_models_than_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP", 2)
    many = fit_many(Mlp(width=4), rows(40), classes=3, seeds=range(5), recipe=RECIPE, path="batched")
    assert_close(many, [fit(Mlp(width=4), rows(40), classes=3, recipe=RECIPE, seed=seed) for seed in range(5)])


def test_auto_takes_the_measured_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def chosen(architecture: NetworkFamily, part: Part, count: int = 8) -> str:
        return module._fastest(architecture, [part] * count, classes=3, recipe=RECIPE)

    few = rows(40, (1, 12, 12))
    many = Part(x=few.x[:1].expand(50_000, 1, 12, 12), y=few.y[:1].expand(50_000))
    assert chosen(Mlp(), rows(40)) == "batched"
    assert chosen(Mlp(), rows(40), 1) == "serial"
    assert chosen(Dropping(), rows(40)) == "serial"
    assert chosen(LeNet(width=2), few) == "serial"
    assert chosen(LeNet(width=2), many) == "processes"


def test_a_path_that_the_family_can_not_take_is_refused() -> None:
    with pytest.raises(InputError, match=r"networks with Dropout can't be trained as one batch .* serial or processes"):
        fit_many(Dropping(), rows(40), classes=3, seeds=SEEDS, path="batched")


@pytest.mark.slow
def test_the_errors_of_a_process_arrive() -> None:
    recipe = replace(RECIPE, learning_rate=1e30)
    with pytest.raises(InputError, match=r"training diverged .* lower learning_rate"):
        fit_many(Mlp(), rows(40), classes=3, seeds=SEEDS, recipe=recipe, path="processes")


@pytest.mark.parametrize("path", ["serial", "batched"])
def test_divergence_is_one_clear_sentence(path: module.Path) -> None:
    recipe = replace(RECIPE, learning_rate=1e30)
    with pytest.raises(InputError, match=r"training diverged at step \d+ of 6"):
        fit_many(Mlp(), rows(40), classes=3, seeds=SEEDS, recipe=recipe, path=path)


def test_nonsense_is_refused() -> None:
    with pytest.raises(InputError, match="expected at least 1 seed and one part of data for each, got 0 and 0"):
        fit_many(Mlp(), rows(40), classes=3, seeds=[])
    with pytest.raises(InputError, match="got 3 and 2"):
        fit_many(Mlp(), [rows(40), rows(40)], classes=3, seeds=SEEDS)
    with pytest.raises(InvalidData, match="at least 1 row to train on, got none"):
        fit_many(Mlp(), rows(40).take(slice(0, 0)), classes=3, seeds=SEEDS)
