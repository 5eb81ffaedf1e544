"""How wrong each row already is: the losses that evasion attacks climb, one number ``(n,)`` a row, higher is worse."""

from __future__ import annotations

import torch

TINY = 1e-12


def soft_margin(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Log of the odds against the true class, m, where the cross-entropy is log(1 + exp(m)).

    The two rank inputs alike and have gradients of the same direction, so signed steps on either are the same steps.
    In float32 the gradient of the cross-entropy of a very sure network is cut off or 0; that of m never is.
    """
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.logsumexp(dim=1) - logits.gather(1, y[:, None])[:, 0]


def hard_margin(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Largest other logit less that of the true class; the row has fallen where it is positive."""
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.amax(dim=1) - logits.gather(1, y[:, None])[:, 0]


def ratio_of_differences(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Difference of logits ratio (Croce & Hein 2020, eq. 6), which no scaling of the logits changes; 3 classes or more.

    (max of the others - true) / (first - third of the sorted logits).
    """
    top = logits.topk(3, dim=1).values
    return hard_margin(logits, y) / (top[:, 0] - top[:, 2] + TINY)


def ratio_to_target(logits: torch.Tensor, y: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
    """Targeted difference of logits ratio (Croce & Hein 2020, eq. 7) towards classes ``goal`` ``(n,)``; 4 or more."""
    top = logits.topk(4, dim=1).values
    gap = logits.gather(1, goal[:, None])[:, 0] - logits.gather(1, y[:, None])[:, 0]
    return gap / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + TINY)
