"""Descents to the boundary: many at once give the distances of one after the other, and the network is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stealproof.errors import InputError
from stealproof.oracle import Domain
from stealproof.ownership import _gradient_walks
from stealproof.ownership._boundary_walks import NORMS
from stealproof.ownership._gradient_walks import STEP, Precision, gradient_walk

DOMAIN = Domain(shape=(6,), low=0.0, high=2.0)
ORDER = {"l1": 1, "l2": 2, "linf": np.inf}
SETTINGS: dict[str, Any] = {"domain": DOMAIN, "norms": NORMS, "report": lambda share: None}
DESCENT: dict[str, Any] = SETTINGS | {"precision": "auto"}


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


def descend(network: torch.nn.Module, x: NDArray[np.float32], target: int, norm: str, steps: int) -> float:
    """MinGD on one input, as the paper writes it."""
    at = torch.as_tensor(x)
    for _ in range(steps):
        z = at.clone().requires_grad_()
        logits = network(z[None])[0]
        if int(logits.argmax()) == target:
            break
        (logits.max() - logits[target]).backward()
        assert z.grad is not None
        g = -z.grad
        if norm == "linf":
            step = g.sign()
        elif norm == "l2":
            step = g / g.norm()
        else:
            g = torch.where(((at <= 0) & (g < 0)) | ((at >= 2) & (g > 0)), torch.zeros(6), g)
            step = torch.zeros(6)
            for pixel in g.abs().argsort(descending=True)[:2]:
                step[pixel] = g[pixel].sign() / 2
        at = (at + 2 * STEP[norm] * 3 * step).clamp(0, 2)
    return float(np.linalg.norm(at.numpy() - x, ord=ORDER[norm])) / 2


@pytest.mark.parametrize("chunk", [7, 256])
def test_many_gradient_walks_equal_single_ones(
    network: torch.nn.Module,
    images: tuple[NDArray[np.float32], NDArray[np.int64]],
    chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_gradient_walks, "CHUNK", chunk)
    x, labels = images
    steps = 30
    found = gradient_walk(network, x, labels, targets=10, steps=steps, stride=3.0, pixels=2, **DESCENT)
    assert found.shape == (40, 9)
    expected = [
        [sorted(descend(network, x[i], t, norm, steps) for t in range(4) if t != labels[i]) for norm in NORMS]
        for i in range(40)
    ]
    np.testing.assert_allclose(found, np.array(expected).reshape(40, 9), atol=1e-5)
    assert (found[::5, [0, 3, 6]] == 0).all(), "a misclassified image lies on the wrong side already"
    assert len(np.unique(found)) > 100


def test_only_the_nearest_classes_are_walked_to(
    network: torch.nn.Module, images: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    x, labels = images
    found = gradient_walk(network, x, labels, targets=1, steps=10, stride=1.0, pixels=1, **DESCENT)
    assert found.shape == (40, 3)


def test_the_walked_network_is_left_as_it_is(
    network: torch.nn.Module, images: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    network.train()
    gradient_walk(network, *images, targets=3, steps=2, stride=1.0, pixels=1, **DESCENT)
    assert network.training
    assert all(weight.requires_grad and weight.grad is None for weight in network.parameters())


@pytest.fixture
def convolution() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(36, 3))


def walked(network: torch.nn.Module, x: NDArray[np.float32], precision: Precision) -> NDArray[np.float64]:
    return gradient_walk(
        network,
        x,
        np.zeros(len(x), dtype=np.int64),
        domain=Domain(shape=x.shape[1:]),
        norms=NORMS,
        targets=2,
        steps=60,
        stride=5.0,
        pixels=3,
        precision=precision,
        report=lambda share: None,
    )


def test_images_walk_like_flat_inputs(convolution: torch.nn.Module) -> None:
    x = np.random.default_rng(0).random((6, 1, 5, 5)).astype(np.float32)
    flat = torch.nn.Sequential(torch.nn.Unflatten(1, (1, 5, 5)), convolution)
    one, other = walked(convolution, x, "float32"), walked(flat, x.reshape(6, 25), "float32")
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_faster_precision_ends_about_where_float32_does(convolution: torch.nn.Module) -> None:
    """In bfloat16 the path is another one by rounding; where it ends, float32 has seen the label flip."""
    x = np.random.default_rng(0).random((200, 1, 5, 5)).astype(np.float32)
    exact, quick = walked(convolution, x, "float32"), walked(convolution, x, "auto")
    assert (exact > 0).any()
    np.testing.assert_array_equal(exact == 0, quick == 0)
    assert np.median(np.abs(quick - exact)) <= 0.02 * np.median(exact)
    assert np.corrcoef(exact[:, :2].ravel(), quick[:, :2].ravel())[0, 1] > 0.98


def test_an_unbounded_domain_is_refused(network: torch.nn.Module) -> None:
    x, labels = np.zeros((2, 6), dtype=np.float32), np.zeros(2, dtype=np.int64)
    with pytest.raises(InputError, match=r"inputs of a bounded range, got \[-inf, inf\]"):
        gradient_walk(
            network,
            x,
            labels,
            domain=Domain(shape=(6,), low=-np.inf, high=np.inf),
            norms=NORMS,
            targets=2,
            steps=2,
            stride=1.0,
            pixels=1,
            precision="auto",
            report=lambda share: None,
        )
