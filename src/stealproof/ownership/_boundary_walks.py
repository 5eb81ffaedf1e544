"""How far an image lies from a model's decision boundary, from labels alone: Blind Walk, many images at once.

Maini, Yaghini and Papernot (ICLR 2021, section 5.2): go straight on in a random direction until the label is lost.
Steps are in units of the domain's width, so that inputs in 0..255 are walked like inputs in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import InputError
from stealproof.oracle import Domain

NORMS = ("l1", "l2", "linf")
NOISE = {"l1": 0.01, "l2": 0.005, "linf": 0.005}
"""Scale of one step of Blind Walk: Laplace, normal and uniform noise."""
VALUES = 8_000_000
"""Numbers that the walks of one block of images may hold at a time (32 MB)."""

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
    scale, found = width(domain), np.zeros((len(x), len(norms), starts))
    standing = ask(x) == labels
    block = max(1, VALUES // (len(norms) * starts * x[0].size))
    for begin in range(0, len(x), block):
        rows = np.arange(begin, min(begin + block, len(x)))
        # Drawn for the misclassified ones too, so that no image's directions depend on another's label.
        drawn = np.stack([_directions(norm, (len(rows), starts, *x.shape[1:]), rng) for norm in norms], axis=1)
        drawn = drawn * np.float32(scale * stride)
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
        moved = moved.reshape(len(inside), len(norms), starts, x[0].size)
        for number, norm in enumerate(norms):
            found[rows[inside], number] = length_in(moved[:, number], norm) / scale
        report((begin + len(rows)) / len(x))
    return np.sort(found, axis=2).reshape(len(x), -1)


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


def length_in(moved: NDArray[Any], norm: str) -> NDArray[np.float64]:
    """Norms over the last axis."""
    order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
    return np.asarray(np.linalg.norm(moved.astype(np.float64), ord=order, axis=-1))


def width(domain: Domain) -> float:
    width = domain.high - domain.low
    if not np.isfinite(width):
        raise InputError(
            f"walks to the boundary need inputs of a bounded range, got [{domain.low:g}, {domain.high:g}];"
            " declare the legal range, for instance 0 to 1"
        )
    return float(width)
