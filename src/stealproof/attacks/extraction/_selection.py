"""Which inputs of a pool to ask next: the strategies of ActiveThief (Pal et al. 2020, section 4.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._deepfool import boundary_distances
from stealproof.attacks.extraction._predictions import logits_of

CENTRES = 512
"""Centres whose distances to all candidates are computed at once; bounds the memory."""


def entropies(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of each row ``(n, classes)``, in nats; 0 to log(classes)."""
    return np.asarray(-(probabilities * np.log(np.clip(probabilities, 1e-12, None))).sum(axis=1))


def largest(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The rows of the ``count`` largest ``scores`` ``(n,)``; the earlier row wins a tie."""
    return np.asarray(np.argsort(-scores, kind="stable")[:count])


def greedy_centres(candidates: NDArray[np.float64], centres: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Rows of ``candidates`` ``(n, d)``, one after the other the farthest from all centres so far (Gonzalez 1985).

    Args:
        candidates: points to choose from.
        centres: ``(m, d)``, m >= 1: points that are centres already.
        count: how many to choose, at most n; time O(n d (m + count)).
    """
    distance = np.full(len(candidates), np.inf)
    for start in range(0, len(centres), CENTRES):
        distance = np.minimum(distance, _squared(candidates, centres[start : start + CENTRES]).min(axis=1))
    chosen = np.empty(count, dtype=np.int64)
    for i in range(count):
        chosen[i] = int(distance.argmax())
        distance = np.minimum(distance, _squared(candidates, candidates[chosen[i]][None])[:, 0])
        # Below every distance, so that equal candidates are not chosen twice.
        distance[chosen[i]] = -1.0
    return chosen


def _squared(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances ``(n, m)``, at least 0."""
    products = points @ centres.T
    return np.asarray(np.clip((points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * products, 0.0, None))


def nearest_to_boundary(model: torch.nn.Module, x: NDArray[Any], count: int, *, shortlist: float) -> NDArray[np.int64]:
    """The ``count`` rows of ``x`` ``(n, *shape)`` that DeepFool moves least, nearest first.

    DeepFool runs only on the ``shortlist * count`` rows with the smallest margin between the two largest logits.
    """
    logits = logits_of(model, x)
    top = np.partition(logits, -2, axis=1)[:, -2:]
    rows = largest(top[:, 0] - top[:, 1], min(len(x), max(count, round(shortlist * count))))
    return rows[largest(-boundary_distances(model, x[rows]), count)]
