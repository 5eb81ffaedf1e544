"""Steps along a network's gradient: the fast gradient sign method, its iterated form, and the Jacobian's row.

Goodfellow et al. 2015 (FGSM), Kurakin et al. 2017 (I-FGSM), Papernot et al. 2017 (the sign of a Jacobian's row). All
four use one direction: the sign of the gradient of the log-odds of a class,

    log p_y - log(1 - p_y) = z_y - logsumexp of the other logits.

The row of the Jacobian of the probabilities is p_y (1 - p_y) times that gradient, the gradient of the cross-entropy
-(1 - p_y) times it. So the signs are the same and the opposite, with the difference that the log-odds still have a
gradient where p_y rounds to 1 in float32, and there the other two are zero everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import InputError, InvalidData
from stealproof.oracle import Domain

BATCH = 512
"""Rows of one gradient pass; bounds the memory."""


def towards(model: torch.nn.Module, x: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.float32]:
    """The sign of the gradient of the log-odds of ``classes`` ``(n,)`` with respect to ``x`` ``(n, *shape)``.

    Values are -1, 0 or 1. A step along it makes the network surer of the class.
    """
    weights = next(iter(model.parameters()), None)
    device = torch.device("cpu") if weights is None else weights.device
    dtype = torch.float32 if weights is None else weights.dtype
    signs = []
    for start in range(0, len(x), BATCH):
        batch = torch.as_tensor(x[start : start + BATCH], dtype=dtype, device=device).requires_grad_()
        wanted = torch.as_tensor(classes[start : start + BATCH], dtype=torch.int64, device=device)[:, None]
        logits = model(batch)
        others = logits.scatter(1, wanted, float("-inf")).logsumexp(dim=1)
        odds = logits.gather(1, wanted)[:, 0] - others
        signs.append(torch.autograd.grad(odds.sum(), batch)[0].sign().float().cpu().numpy())
    return np.concatenate(signs)


def moved(x: NDArray[Any], step: NDArray[Any], domain: Domain) -> NDArray[Any]:
    """``x`` plus ``step``, inside the domain, in the precision of ``x``; columns with listed values stay as they are.

    A categorical column has no half-way values, and a real API would not take them.
    """
    out = domain.clip(x + step).astype(x.dtype)
    fixed = list(domain.levels)
    if fixed:
        out[:, fixed] = x[:, fixed]
    return out


def check_movable(domain: Domain, who: str) -> None:
    """Raise ``InvalidData`` when every column is categorical, so that no step along a gradient is possible."""
    if len(domain.levels) == int(np.prod(domain.shape)):
        raise InvalidData(
            f"{who} moves numeric inputs, and all {len(domain.levels)} columns of this domain are categorical;"
            " choose an attack that asks natural inputs"
        )


def width(domain: Domain) -> float:
    """What a step size of 1 means: the width of the domain, or 1 where it is unbounded."""
    extent = domain.high - domain.low
    return float(extent) if np.isfinite(extent) else 1.0


def fgsm(
    model: torch.nn.Module,
    x: NDArray[Any],
    classes: NDArray[Any],
    *,
    epsilon: float,
    domain: Domain,
    targeted: bool = False,
    iterations: int = 1,
) -> NDArray[Any]:
    """Adversarial examples ``(n, *shape)`` inside the domain, at most ``epsilon`` from ``x`` in every coordinate.

    Args:
        model: the network whose gradient is followed, to logits ``(n, classes)``.
        x: inputs ``(n, *shape)``.
        classes: ``(n,)``: the class to leave, or under ``targeted`` the one to reach.
        epsilon: the largest change, as a share of the domain's width; above 0.
        domain: legal inputs.
        targeted: whether to move towards ``classes`` rather than away from it.
        iterations: 1 is FGSM; more is I-FGSM, in steps of ``epsilon / iterations``.
    """
    if epsilon <= 0 or iterations < 1:
        raise InputError(f"expected epsilon above 0 and at least 1 iteration, got {epsilon} and {iterations}")
    size = epsilon * width(domain) / iterations * (1 if targeted else -1)
    adversarial = x
    for _ in range(iterations):
        adversarial = moved(adversarial, size * towards(model, adversarial, classes), domain)
    return adversarial


def other_classes(labels: NDArray[Any], classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each label ``(n,)`` a class that is not it, uniformly at random among the ``classes - 1`` others."""
    shift = rng.integers(1, classes, size=len(labels))
    return np.asarray((labels + shift) % classes, dtype=np.int64)
