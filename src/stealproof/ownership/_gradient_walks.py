"""How far an image lies from an open network's decision boundary: MinGD, many walks at once, each left when it flips.

Maini, Yaghini and Papernot (ICLR 2021, section 5.1): descend the gap between the logits of two classes. Steps are in
units of the domain's width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from stealproof.oracle import Domain
from stealproof.ownership._boundary_walks import VALUES, Report, length_in, width
from stealproof.training._placement import Placement, place
from stealproof.training.recipe import Recipe

STEP = {"l1": 1.0, "l2": 0.01, "linf": 0.001}
"""Length of one step in its own norm."""
CHUNK = 256
"""Rows that pass through the network together."""
ROUNDING = 0.05
"""A bfloat16 gap below this share of the largest logit is looked at again; its own rounding is a tenth of that."""

Precision = Literal["auto", "float32"]


def gradient_walk(
    model: torch.nn.Module,
    x: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    domain: Domain,
    norms: Sequence[str],
    targets: int,
    steps: int,
    stride: float,
    pixels: int,
    precision: Precision,
    report: Report,
) -> NDArray[np.float64]:
    """Distances ``(n, len(norms) * t)`` to the t classes nearest in logits, the label's own left out, ascending.

    MinGD: at most ``steps`` steps down the gap between the largest logit and the target's, in the steepest direction
    of the norm (for l1, ``pixels`` inputs that can still move), clipped to the domain. A walk ends where the network
    predicts the target; one that never gets there has the distance of its last step.
    """
    network, placement = frozen(model, precision)
    start = torch.as_tensor(x).to(dtype=placement.dtype, device=placement.device)
    wrong = _nearest_classes(network, start, torch.as_tensor(labels).to(placement.device), targets)
    count = wrong.shape[1]
    found = np.zeros((len(x), len(norms), count))
    block = max(1, VALUES // (count * x[0].size))
    for number, norm in enumerate(norms):
        for begin in range(0, len(x), block):
            rows = slice(begin, begin + block)
            origin = start[rows].repeat_interleave(count, dim=0)
            reached = descend(
                network,
                placement,
                origin,
                wrong[rows].flatten(),
                domain=domain,
                norm=norm,
                steps=steps,
                length=STEP[norm] * stride * width(domain),
                pixels=pixels,
            )
            moved = (reached - origin).flatten(1).cpu().numpy()
            found[rows, number] = length_in(moved, norm).reshape(-1, count) / width(domain)
            report((number + min(1.0, (begin + block) / len(x))) / len(norms))
    return np.sort(found, axis=2).reshape(len(x), -1)


def frozen(model: torch.nn.Module, precision: Precision) -> tuple[torch.nn.Module, Placement]:
    """A copy in evaluation mode whose weights want no gradients, placed where such networks are fastest."""
    placement = place(model, Recipe(precision=precision))
    return placement.model(copy.deepcopy(model)).eval().requires_grad_(False), placement


def descend(
    network: torch.nn.Module,
    placement: Placement,
    origin: torch.Tensor,
    target: torch.Tensor,
    *,
    domain: Domain,
    norm: str,
    steps: int,
    length: float,
    pixels: int,
) -> torch.Tensor:
    """Where the walks of one norm from ``origin`` ``(n, *shape)`` to the classes ``target`` ``(n,)`` end."""
    at = origin.clone()
    walking = torch.arange(len(origin), device=origin.device)
    for _ in range(steps):
        left = []
        for rows in walking.split(CHUNK):
            x = _channels_last(at[rows]).requires_grad_()
            with placement.computing():
                logits = network(x)
            goal = target[rows]
            others = logits.scatter(1, goal[:, None], -torch.inf).amax(dim=1)
            gap = others - logits.gather(1, goal[:, None])[:, 0]
            arrived = logits.argmax(dim=1) == goal
            if placement.bfloat16:
                arrived = _arrived(network, x, goal, near=gap <= ROUNDING * logits.abs().amax(dim=1))
            # Only the gradient of the input: that of the weights would cost half as much again.
            (gradient,) = torch.autograd.grad(gap.sum(), x)
            with torch.no_grad():
                direction = _steepest(-gradient, x, domain, norm=norm, pixels=pixels)
                direction[arrived] = 0
                at[rows] = (x + length * direction).clamp_(domain.low, domain.high)
            left.append(rows[~arrived])
        walking = torch.cat(left) if left else walking
        if len(walking) == 0:
            break
    return at


def _arrived(network: torch.nn.Module, x: torch.Tensor, goal: torch.Tensor, *, near: torch.Tensor) -> torch.Tensor:
    """Which of the ``near`` rows the network gives to ``goal``, in full precision: rounding decides no flip."""
    arrived = torch.zeros_like(near)
    if near.any():
        with torch.no_grad():
            arrived[near] = network(_channels_last(x[near])).argmax(dim=1) == goal[near]
    return arrived


def _steepest(uphill: torch.Tensor, x: torch.Tensor, domain: Domain, *, norm: str, pixels: int) -> torch.Tensor:
    """The direction of length 1 in ``norm`` in which a step gains most, ``(n, *shape)``."""
    if norm == "linf":
        return uphill.sign()
    flat = uphill.flatten(1)
    if norm == "l2":
        return functional.normalize(flat, dim=1).view_as(uphill)
    stuck = ((x <= domain.low) & (uphill < 0)) | ((x >= domain.high) & (uphill > 0))
    free = flat.masked_fill(stuck.flatten(1), 0.0)
    count = min(pixels, free.shape[1])
    best = free.abs().topk(count, dim=1, sorted=False).indices
    return torch.zeros_like(free).scatter_(1, best, free.gather(1, best).sign() / count).view_as(uphill)


def _nearest_classes(network: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor, targets: int) -> torch.Tensor:
    """The ``targets`` classes ``(n, t)`` of largest logit except each row's label; all others when there are fewer."""
    with torch.inference_mode():
        logits = torch.cat([network(_channels_last(part)) for part in x.split(CHUNK)])
        logits = logits.scatter(1, labels[:, None], -torch.inf)
        return logits.topk(min(targets, logits.shape[1] - 1), dim=1).indices.clone()


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    """A copy; images in the layout in which convolutions are fastest, also when they have a single channel."""
    if x.ndim != 4:
        return x.clone()
    return torch.empty(x.shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last).copy_(x)
