"""Gradients of something that can only be asked: forward differences along random directions."""

from __future__ import annotations

import torch


def unit_directions(count: int, directions: int, mask: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Uniform directions ``(count, directions, *shape)`` of length 1 in the coordinates where ``mask`` is 1.

    ``mask`` is ``(*shape)`` of zeros and ones, not all zero.
    """
    raw = torch.randn((count, directions, *mask.shape), generator=generator, dtype=mask.dtype) * mask
    length = raw.flatten(2).norm(dim=2).clamp_min(1e-12)
    return torch.as_tensor(raw / length.view(count, directions, *[1] * mask.ndim))


def evaluation_points(x: torch.Tensor, directions: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Where to ask: ``(n, m + 1, *shape)``, first each row of ``x`` ``(n, *shape)`` itself, then m steps from it."""
    return torch.cat([x[:, None], x[:, None] + epsilon * directions], dim=1)


def forward_differences(values: torch.Tensor, directions: torch.Tensor, epsilon: float) -> torch.Tensor:
    """An unbiased estimate (for small ``epsilon``) of the gradient ``(n, *shape)`` at each first point.

    d / m * sum over i of (f(x + epsilon u_i) - f(x)) / epsilon * u_i, with d free coordinates (Truong et al. 2021,
    equation 8; Duchi et al. 2015).

    Args:
        values: f at the ``evaluation_points``, ``(n, m + 1)``.
        directions: u, ``(n, m, *shape)``.
        epsilon: length of a step.
    """
    free = (directions != 0).flatten(2).sum(dim=2).max()
    slopes = (values[:, 1:] - values[:, :1]) / epsilon
    shape = (*slopes.shape, *[1] * (directions.ndim - 2))
    return free * (slopes.view(shape) * directions).mean(dim=1)
