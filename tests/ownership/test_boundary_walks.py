"""Blind walks: many at once give the distances of one after the other, and nothing illegal is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stealproof.oracle import Domain
from stealproof.ownership import _boundary_walks
from stealproof.ownership._boundary_walks import NOISE, NORMS, blind_walk

DOMAIN = Domain(shape=(6,), low=0.0, high=2.0)
ORDER = {"l1": 1, "l2": 2, "linf": np.inf}
SETTINGS: dict[str, Any] = {"domain": DOMAIN, "norms": NORMS, "report": lambda share: None}


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, 4))


@pytest.fixture
def images(network: torch.nn.Module) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Forty inputs with the network's labels, but every fifth wrong."""
    x = (2 * np.random.default_rng(1).random((40, 6))).astype(np.float32)
    labels = labels_of(network, x)
    labels[::5] = (labels[::5] + 1) % 4
    return x, labels


def labels_of(network: torch.nn.Module, x: NDArray[np.float32]) -> NDArray[np.int64]:
    with torch.inference_mode():
        return np.asarray(network(torch.as_tensor(x)).argmax(dim=1).numpy())


@pytest.mark.parametrize("values", [100, 10**6])
def test_many_blind_walks_equal_single_ones(
    network: torch.nn.Module,
    images: tuple[NDArray[np.float32], NDArray[np.int64]],
    values: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same directions are drawn by the same generator, then walked one by one."""
    monkeypatch.setattr(_boundary_walks, "VALUES", values)
    x, labels = images
    starts, steps = 2, 25
    asked: list[int] = []

    def ask(queries: NDArray[np.float32]) -> NDArray[np.int64]:
        assert queries.dtype == np.float32
        DOMAIN.check(queries)
        asked.append(len(queries))
        return labels_of(network, queries)

    found = blind_walk(ask, x, labels, starts=starts, steps=steps, stride=4.0, rng=np.random.default_rng(5), **SETTINGS)
    rng, block = np.random.default_rng(5), max(1, values // (3 * starts * 6))
    expected, queries = np.zeros((40, 3, starts)), 40
    for begin in range(0, 40, block):
        size = min(block, 40 - begin)
        drawn = [_boundary_walks._directions(norm, (size, starts, 6), rng) * 8 for norm in NORMS]
        for i in range(size):
            if labels_of(network, x[[begin + i]])[0] != labels[begin + i]:
                continue
            for j, norm in enumerate(NORMS):
                for start in range(starts):
                    for k in range(1, steps + 1):
                        there = np.clip(x[begin + i] + np.float32(k) * drawn[j][i, start], 0, 2)
                        queries += 1
                        if labels_of(network, there[None])[0] != labels[begin + i]:
                            break
                    moved = np.linalg.norm((there - x[begin + i]).astype(np.float64), ord=ORDER[norm])
                    expected[begin + i, j, start] = moved / 2
    np.testing.assert_allclose(found, np.sort(expected, axis=2).reshape(40, -1), atol=1e-6)
    assert sum(asked) == queries, "a walk that has flipped is asked no more"
    assert (found[::5] == 0).all()


def test_a_suspect_that_is_always_wrong_has_distance_zero_everywhere(
    network: torch.nn.Module, images: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    x, _ = images
    wrong = (labels_of(network, x) + 1) % 4
    found = blind_walk(
        lambda queries: labels_of(network, queries),
        x,
        wrong,
        starts=2,
        steps=3,
        stride=1.0,
        rng=np.random.default_rng(0),
        **SETTINGS,
    )
    assert found.shape == (40, 6)
    assert (found == 0).all()


def test_directions_have_the_scale_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    drawn = {norm: _boundary_walks._directions(norm, (20_000,), rng) for norm in NORMS}
    assert np.abs(drawn["linf"]).max() <= NOISE["linf"]
    assert drawn["linf"].std() == pytest.approx(NOISE["linf"] / 3**0.5, rel=0.03)
    assert drawn["l2"].std() == pytest.approx(NOISE["l2"], rel=0.03)
    assert drawn["l1"].std() == pytest.approx(NOISE["l1"] * 2**0.5, rel=0.05)
    assert all(abs(values.mean()) < 0.0003 for values in drawn.values())
