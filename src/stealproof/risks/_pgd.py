"""Projected gradient descent in the largest-change norm, on the rows that still stand."""

from __future__ import annotations

import torch

from stealproof.risks._attacked import Attacked, Ball, Loss


def descend(
    network: Attacked,
    x: torch.Tensor,
    y: torch.Tensor,
    ball: Ball,
    *,
    loss: Loss,
    steps: int,
    step: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where signed gradient steps from ``x`` ``(n, *shape)`` end, and which rows ``(n,)`` still stand there.

    Madry et al. 2018, section 2.1. A row is left where it falls. ``step`` is in units of the inputs.
    """
    found, standing = ball.nearest(x), torch.ones(len(x), dtype=torch.bool, device=x.device)
    number, at = torch.arange(len(x), device=x.device), found.clone()
    for _ in range(steps):
        if len(number) == 0:
            break
        _, gradient, stands = network.uphill(at, y, loss)
        if not bool(stands.all()):
            found[number[~stands]], standing[number[~stands]] = at[~stands], False
            number, at, y, gradient, ball = number[stands], at[stands], y[stands], gradient[stands], ball.take(stands)
        at = ball.nearest(at.add_(gradient.sign_(), alpha=step))
    if len(number):
        found[number], standing[number] = at, network.stands(at, y)
    return found, standing
