"""How entangled two groups of inputs are in a network's hidden layers: the soft nearest neighbour loss."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from stealproof.errors import InputError

WEIGHTED = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
"""Layers whose inputs count as hidden features."""


def soft_nearest_neighbour_loss(features: torch.Tensor, groups: torch.Tensor, temperature: float) -> torch.Tensor:
    """The mean of -log of the chance ``()`` that a row's soft neighbour is of its own group; large when entangled.

    Frosst, Papernot & Hinton, "Analyzing and Improving Representations with the Soft Nearest Neighbor Loss", ICML 2019,
    with the cosine distance that the code of entangled watermarks uses: the neighbour j of i is drawn with a weight of
    exp(-distance(i, j) / temperature). Rows that are alone in their group do not count.

    Args:
        features: ``(n, ...)``, flattened and computed with in float32.
        groups: ``(n,)``, which rows belong together.
        temperature: positive; small ones look at the nearest rows only.
    """
    rows = functional.normalize(features.flatten(1).float(), dim=1)
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    scores = ((rows @ rows.T - 1) / temperature).masked_fill(itself, -torch.inf)
    same = (groups[:, None] == groups[None, :]) & ~itself
    accompanied = same.any(dim=1)
    if not bool(accompanied.any()):
        return rows.sum() * 0
    scores, same = scores[accompanied], same[accompanied]
    own = torch.logsumexp(scores.masked_fill(~same, -torch.inf), dim=1)
    return (torch.logsumexp(scores, dim=1) - own).mean()


def entanglement(
    model: torch.nn.Module, x: torch.Tensor, groups: torch.Tensor, *, layers: int, temperature: float
) -> torch.Tensor:
    """The sum ``()`` of the losses that ``groups`` of the inputs ``x`` have in the last ``layers`` hidden layers."""
    features = hidden_features(model, x, layers)
    return torch.stack([soft_nearest_neighbour_loss(rows, groups, temperature) for rows in features]).sum()


def hidden_features(model: torch.nn.Module, x: torch.Tensor, layers: int) -> list[torch.Tensor]:
    """What the last ``layers`` linear or convolutional layers of ``model`` receive for ``x``, in order of execution.

    The first such layer does not count, since it receives the inputs themselves.
    """
    received: list[torch.Tensor] = []

    def keep(_module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        received.append(inputs[0])

    hooks = [module.register_forward_pre_hook(keep) for module in model.modules() if isinstance(module, WEIGHTED)]
    try:
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
    if len(received) < 2:
        raise InputError(
            "expected a network with a hidden layer between two linear or convolutional ones, got"
            f" {len(received)} such layers; entangled watermarks need hidden features"
        )
    return received[1:][-layers:]
