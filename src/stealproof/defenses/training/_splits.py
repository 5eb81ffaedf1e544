"""Dealing training rows out, class by class."""

from __future__ import annotations

import torch


def by_class(labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Row numbers ``(n,)``, class after class, in random order within a class.

    Whoever takes rows at even distances from it takes about the same share of every class.
    """
    order = torch.randperm(len(labels), generator=generator)
    return order[labels.cpu()[order].argsort(stable=True)]


def halves(labels: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Row numbers of two random halves, in which every class has as many rows, or one more in either."""
    order = by_class(labels, generator)
    return order[0::2], order[1::2]


def held_out(labels: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """A mask ``(n,)`` of ``share`` of the rows, about the same share of each class, at least 1 row and never all."""
    n = len(labels)
    count = min(max(1, round(share * n)), n - 1)
    places = (torch.arange(count) * n + n // 2) // max(count, 1)
    mask = torch.zeros(n, dtype=torch.bool)
    mask[by_class(labels, generator)[places]] = True
    return mask
