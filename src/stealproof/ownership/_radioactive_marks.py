"""Radioactive marks: images whose features move along a secret direction, while their pixels hardly change."""

from __future__ import annotations

import torch

from stealproof.oracle import Domain
from stealproof.ownership._asked_inputs import Box
from stealproof.ownership._features import features
from stealproof.ownership._trigger_sets import legal, legal_range
from stealproof.training.settled import settled

BATCH = 512
"""Images that are moved at a time, for the memory of their gradients."""


def carriers(count: int, classes: int, dimension: int, generator: torch.Generator) -> torch.Tensor:
    """``count`` sets of unit vectors ``(count, classes, dimension)``, uniform over directions."""
    drawn = torch.randn(count, classes, dimension, generator=generator, dtype=torch.float64)
    unit: torch.Tensor = drawn / drawn.norm(dim=2, keepdim=True)
    return unit


def mark(
    marker: torch.nn.Module,
    x: torch.Tensor,
    directions: torch.Tensor,
    *,
    domain: Domain,
    radius: float,
    steps: int,
    image_penalty: float,
    feature_penalty: float,
) -> torch.Tensor:
    """Images near ``x`` ``(n, *shape)`` whose features lie further along ``directions`` ``(n, d)``; float32, legal.

    Descends ``-(phi(x') - phi(x)) . u + image_penalty ||x' - x||^2 + feature_penalty ||phi(x') - phi(x)||`` (section
    3.3 and the authors' code) by steps of the gradient's sign, at most ``radius`` away in every pixel.
    """
    marked = []
    step = 2.5 * radius / steps
    low, high = legal_range(domain, x)
    with settled(marker):
        for start, u in zip(x.to(torch.float32).split(BATCH), directions.to(torch.float32).split(BATCH), strict=True):
            box = Box(start, domain, radius)
            with torch.no_grad():
                before = features(marker, start)
            moved = start
            for _ in range(steps):
                moved = moved.detach().requires_grad_()
                shift = features(marker, moved) - before
                loss = feature_penalty * (shift.square().sum(dim=1) + 1e-12).sqrt() - (shift * u).sum(dim=1)
                loss = loss + image_penalty * (moved - start).square().flatten(1).sum(dim=1)
                (gradient,) = torch.autograd.grad(loss.sum(), moved)
                moved = box.nearest(moved.detach() - step * gradient.sign())
            marked.append(legal(moved.detach(), low, high))
    return torch.cat(marked)
