"""What each training row is worth to a nearest-neighbour classifier: exact Shapley values."""

from __future__ import annotations

import torch

ENTRIES = 4_000_000
"""Distances that are held at a time; some 40 bytes each with all that follows from them."""


def shapley_values(
    x: torch.Tensor, labels: torch.Tensor, points: torch.Tensor, truth: torch.Tensor, *, k: int
) -> torch.Tensor:
    """Mean over validation points of every row's Shapley value, ``(n,)`` float64.

    The game: a set of rows earns, for one validation point, the share of right labels among the point's ``k`` nearest
    rows of the set; a set of fewer rows is still divided by ``k``. Theorem 1 of Jia et al. 2019 gives the values of
    one point in O(n log n); the last row's is written for any n, theirs is for n of at least k.

    Args:
        x: rows ``(n, d)``, float.
        labels: their labels ``(n,)``.
        points: validation points ``(m, d)``; at least 1.
        truth: their labels ``(m,)``.
        k: neighbours that vote, at least 1.
    """
    n = len(x)
    rank = torch.arange(1, n + 1, dtype=torch.float64)
    weight = rank.clamp(max=k) / (rank * k)
    total = torch.zeros(n, dtype=torch.float64)
    size = max(1, ENTRIES // n)
    for some, their_truth in zip(points.split(size), truth.split(size), strict=True):
        order = torch.cdist(some, x).argsort(dim=1, stable=True)
        right = (labels[order] == their_truth[:, None]).double()
        steps = weight * (right - torch.nn.functional.pad(right[:, 1:], (0, 1)))
        values = steps.flip(1).cumsum(1).flip(1)
        total += torch.zeros_like(values).scatter_(1, order, values).sum(dim=0)
    return total / len(points)
