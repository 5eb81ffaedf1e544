"""The owner's regressor of dataset inference: a score of an image's distances, high for images never trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import EvidenceError

HIDDEN = 100


def fit_regressor(
    members: NDArray[np.float64],
    strangers: NDArray[np.float64],
    *,
    rate: float,
    iterations: int,
    generator: torch.Generator,
) -> dict[str, NDArray[np.float64]]:
    """Fit a perceptron on distances ``(n, d)`` and ``(m, d)`` of one model; its weights and scales by name.

    One hidden layer of ReLU, tanh at the end. Minimises -mean((2y - 1) score) with y = 0 for members and 1 for
    strangers, by full-batch gradient descent.
    """
    x = np.concatenate([members, strangers])
    mean, scale = x.mean(axis=0), x.std(axis=0)
    # A distance that is the same for every image says nothing, and must not be divided by 0.
    scale = np.where(scale > 0, scale, 1.0)
    z = torch.as_tensor((x - mean) / scale)
    sign = torch.cat([-torch.ones(len(members)), torch.ones(len(strangers))]).to(z.dtype)
    weights = [
        _drawn((HIDDEN, z.shape[1]), z.shape[1], generator),
        _drawn((HIDDEN,), z.shape[1], generator),
        _drawn((HIDDEN,), HIDDEN, generator),
        _drawn((1,), HIDDEN, generator),
    ]
    for _ in range(iterations):
        first, bias, second, offset = (w.requires_grad_() for w in weights)
        score = torch.tanh(torch.relu(z @ first.T + bias) @ second + offset)
        gradients = torch.autograd.grad(-(sign * score).mean(), weights)
        weights = [(w - rate * g).detach() for w, g in zip(weights, gradients, strict=True)]
    names = ("hidden_weight", "hidden_bias", "output_weight", "output_bias")
    fitted = {name: w.numpy() for name, w in zip(names, weights, strict=True)}
    return fitted | {"mean": mean, "scale": scale}


def scores(regressor: Mapping[str, NDArray[Any]], distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score ``(n,)`` in -1..1 of each row of ``distances`` ``(n, d)``; in NumPy, so that a judge needs no more."""
    if not (np.asarray(regressor["scale"]) > 0).all():
        raise EvidenceError("the regressor's scale must be above 0 everywhere; expected a fitted one")
    z = (distances - regressor["mean"]) / regressor["scale"]
    hidden = np.maximum(0, z @ regressor["hidden_weight"].T + regressor["hidden_bias"])
    return np.asarray(np.tanh(hidden @ regressor["output_weight"] + regressor["output_bias"]))


def _drawn(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> torch.Tensor:
    """Uniform in +-1/sqrt(inputs), PyTorch's own rule for linear layers."""
    return torch.empty(shape, dtype=torch.float64).uniform_(-1, 1, generator=generator) / math.sqrt(inputs)
