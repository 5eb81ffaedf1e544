"""DeepFool: how far an input lies from the nearest decision boundary of a network.

Moosavi-Dezfooli et al., "DeepFool: a simple and accurate method to fool deep neural networks", CVPR 2016, Algorithm 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

OVERSHOOT = 0.02
"""How far beyond the linearised boundary each input is put (the paper's eta)."""
BATCH = 512
"""Rows of one gradient pass; bounds the memory."""


def boundary_distances(
    model: torch.nn.Module, x: NDArray[Any], *, rivals: int = 3, iterations: int = 5
) -> NDArray[np.float64]:
    """Length (L2) of the change that takes each row of ``x`` ``(n, *shape)`` over the nearest boundary, ``(n,)``.

    Args:
        model: to logits ``(n, classes)``, at least 2 classes.
        x: inputs; the changed ones may leave the domain, since nobody asks them.
        rivals: classes that are tried as the nearest, those with the largest logits; each costs one gradient.
        iterations: most steps; an input that hasn't crossed by then counts with the way that it has gone.
    """
    return np.concatenate([_distances(model, x[i : i + BATCH], rivals, iterations) for i in range(0, len(x), BATCH)])


def _distances(model: torch.nn.Module, x: NDArray[Any], rivals: int, iterations: int) -> NDArray[np.float64]:
    weights = next(model.parameters())
    start = torch.as_tensor(x).to(device=weights.device, dtype=weights.dtype)
    place, home = start.clone(), torch.empty(0, dtype=torch.long)
    moving = torch.arange(len(start), device=start.device)
    for iteration in range(iterations + 1):
        at = place[moving].requires_grad_()
        logits = model(at)
        if iteration == 0:
            home = logits.argmax(dim=1)
        inside = logits.argmax(dim=1) == home[moving]
        if iteration == iterations or not bool(inside.any()):
            break
        step = _step(logits, at, home[moving], rivals)
        moving = moving[inside]
        place[moving] += (1 + OVERSHOOT) * step[inside]
    way = (place - start).flatten(1).norm(dim=1).double().cpu().numpy()
    # Where the network is flat there is no way to go; that is far from a boundary, not on it.
    return np.asarray(np.where(way > 0, way, np.inf))


def _step(logits: torch.Tensor, at: torch.Tensor, home: torch.Tensor, rivals: int) -> torch.Tensor:
    """The shortest step ``(n, *shape)`` to the linearised boundary between ``home`` ``(n,)`` and a rival class."""
    others = logits.detach().scatter(1, home[:, None], float("-inf"))
    nearest = others.topk(min(rivals, logits.shape[1] - 1), dim=1).indices
    best = torch.full((len(at),), float("inf"), dtype=at.dtype, device=at.device)
    step = torch.zeros_like(at)
    for rank in range(nearest.shape[1]):
        lead = (logits.gather(1, home[:, None]) - logits.gather(1, nearest[:, rank : rank + 1]))[:, 0]
        (slope,) = torch.autograd.grad(lead.sum(), at, retain_graph=rank + 1 < nearest.shape[1])
        length = slope.flatten(1).norm(dim=1).clamp_min(1e-12)
        distance = lead.detach().abs() / length
        closer = distance < best
        best = torch.where(closer, distance, best)
        shape = (-1, *[1] * (at.ndim - 1))
        step = torch.where(closer.view(shape), -slope * (distance / length).view(shape), step)
    return step
