"""How far an image lies from a network's decision boundary: walks of many images at once, each left when it flips.

Distances are those of Maini, Yaghini and Papernot (ICLR 2021, section 5.2): MinGD descends the logit gap of an open
network, Blind Walk goes straight on in a random direction and needs labels only. All steps are in units of the
domain's width, so that inputs in 0..255 are walked like inputs in 0..1.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from stealproof.errors import InputError
from stealproof.oracle import Domain

NORMS = ("l1", "l2", "linf")
NOISE = {"l1": 0.01, "l2": 0.005, "linf": 0.005}
"""Scale of one step of Blind Walk: Laplace, normal and uniform noise."""
STEP = {"l1": 1.0, "l2": 0.01, "linf": 0.001}
"""Length of one step of MinGD in its own norm."""
VALUES = 8_000_000
"""Numbers that the walks of one block of images may hold at a time (32 MB)."""
CHUNK = 256
"""Rows that pass through the network together; more fall out of the processor's cache."""

Report = Callable[[float], None]


def blind_walk(
    ask: Callable[[NDArray[np.float32]], NDArray[np.int64]],
    x: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    domain: Domain,
    norms: Sequence[str],
    starts: int,
    steps: int,
    stride: float,
    rng: np.random.Generator,
    report: Report,
) -> NDArray[np.float64]:
    """Distances ``(n, len(norms) * starts)`` that x went until its label was lost, ascending within a norm.

    One direction is drawn for each image, norm and start, and its multiples 1 to ``steps`` are asked until the answer
    is no longer ``labels`` ``(n,)``. An image that is misclassified where it stands has distance 0; a walk that never
    flips has that of its last step. Only walks that have not flipped are asked again.
    """
    width, found = _width(domain), np.zeros((len(x), len(norms), starts))
    standing = ask(x) == labels
    block = max(1, VALUES // (len(norms) * starts * x[0].size))
    for begin in range(0, len(x), block):
        rows = np.arange(begin, min(begin + block, len(x)))
        # Drawn for the misclassified ones too, so that no image's directions depend on another's label.
        drawn = np.stack([_directions(norm, (len(rows), starts, *x.shape[1:]), rng) for norm in norms], axis=1)
        drawn = drawn * np.float32(width * stride)
        inside = np.flatnonzero(standing[rows])
        directions = drawn[inside].reshape(-1, *x.shape[1:])
        image = np.repeat(rows[inside], len(norms) * starts)
        last = np.full(len(image), steps)
        walking = np.arange(len(image))
        for multiple in range(1, steps + 1):
            if len(walking) == 0:
                break
            flipped = ask(_at(x, image, directions, walking, multiple, domain)) != labels[image[walking]]
            last[walking[flipped]] = multiple
            walking = walking[~flipped]
        multiples = last.reshape(-1, *[1] * (x.ndim - 1)).astype(np.float32)
        moved = domain.clip(x[image] + multiples * directions) - x[image]
        moved = moved.reshape(len(inside), len(norms), starts, -1)
        for number, norm in enumerate(norms):
            found[rows[inside], number] = _length(moved[:, number], norm) / width
        report((begin + len(rows)) / len(x))
    return np.sort(found, axis=2).reshape(len(x), -1)


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
    report: Report,
) -> NDArray[np.float64]:
    """Distances ``(n, len(norms) * t)`` to the t classes nearest in logits, the label's own left out, ascending.

    MinGD: at most ``steps`` steps down the gap between the largest logit and the target's, in the steepest direction
    of the norm (for l1, ``pixels`` inputs that can still move), clipped to the domain. A walk ends where the network
    predicts the target; one that never gets there has the distance of its last step.
    """
    network = copy.deepcopy(model).eval().requires_grad_(False)
    if any(isinstance(module, torch.nn.Conv2d) for module in network.modules()):
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    weight = next((t for t in (*network.parameters(), *network.buffers()) if t.is_floating_point()), torch.zeros(1))
    start = torch.as_tensor(x).to(dtype=weight.dtype, device=weight.device)
    wrong = _nearest_classes(network, start, torch.as_tensor(labels).to(weight.device), targets)
    count = wrong.shape[1]
    found = np.zeros((len(x), len(norms), count))
    block = max(1, VALUES // (count * x[0].size))
    for number, norm in enumerate(norms):
        for begin in range(0, len(x), block):
            rows = slice(begin, begin + block)
            origin = start[rows].repeat_interleave(count, dim=0)
            reached = _descend(
                network,
                origin,
                wrong[rows].flatten(),
                domain=domain,
                norm=norm,
                steps=steps,
                length=STEP[norm] * stride * _width(domain),
                pixels=pixels,
            )
            moved = (reached - origin).flatten(1).cpu().numpy()
            found[rows, number] = _length(moved, norm).reshape(-1, count) / _width(domain)
            report((number + min(1.0, (begin + block) / len(x))) / len(norms))
    return np.sort(found, axis=2).reshape(len(x), -1)


def _descend(
    network: torch.nn.Module,
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
            logits = network(x)
            goal = target[rows]
            arrived = logits.argmax(dim=1) == goal
            gap = logits.amax(dim=1) - logits.gather(1, goal[:, None])[:, 0]
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


def _directions(norm: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    if norm == "linf":
        drawn: NDArray[Any] = 2 * rng.random(shape, dtype=np.float32) - 1
    elif norm == "l2":
        drawn = rng.standard_normal(shape, dtype=np.float32)
    else:
        # Laplace noise: an exponential with a random sign.
        drawn = rng.standard_exponential(shape, dtype=np.float32) * np.where(rng.random(shape) < 0.5, -1, 1)
    return np.asarray(drawn * NOISE[norm], dtype=np.float32)


def _at(
    x: NDArray[np.float32],
    image: NDArray[np.int64],
    directions: NDArray[np.float32],
    walking: NDArray[np.int64],
    multiple: int,
    domain: Domain,
) -> NDArray[np.float32]:
    """Where the walks are after ``multiple`` steps, inside the domain."""
    there = x[image[walking]] + np.float32(multiple) * directions[walking]
    return np.asarray(domain.clip(there), dtype=np.float32)


def _length(moved: NDArray[Any], norm: str) -> NDArray[np.float64]:
    """Norms over the last axis."""
    order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
    return np.asarray(np.linalg.norm(moved.astype(np.float64), ord=order, axis=-1))


def _width(domain: Domain) -> float:
    width = domain.high - domain.low
    if not np.isfinite(width):
        raise InputError(
            f"walks to the boundary need inputs of a bounded range, got [{domain.low:g}, {domain.high:g}];"
            " declare the legal range, for instance 0 to 1"
        )
    return float(width)
