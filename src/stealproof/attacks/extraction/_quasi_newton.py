"""Fitting a small network to answers on all rows at once, by L-BFGS in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

STEP = 50
"""Iterations between two reports of progress."""


def fit_network(
    model: torch.nn.Module,
    x: NDArray[np.float64],
    targets: NDArray[np.float64],
    *,
    penalty: float,
    iterations: int,
    progress: Callable[[float], None] | None = None,
) -> float:
    """Minimise cross-entropy plus ``penalty`` times the squared weights, changing ``model`` (float64) in place.

    Args:
        model: a network from ``(n, *shape)`` to logits ``(n, classes)``.
        x: inputs ``(n, *shape)``.
        targets: distributions ``(n, classes)``.
        penalty: weight of the squared norm of all parameters; 0 or more.
        iterations: most steps of L-BFGS.
        progress: called with the finished share, 0 to 1.

    Returns:
        The mean Kullback-Leibler divergence from targets to the fitted model in nats, without the penalty; 0 is best.
    """
    inputs, wanted = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(targets, dtype=torch.float64)
    entropy = float(-torch.special.xlogy(wanted, wanted).sum(dim=1).mean())
    parameters = list(model.parameters())
    done = 0

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        torch.nn.utils.vector_to_parameters(torch.from_numpy(flat.copy()), parameters)
        error = torch.nn.functional.cross_entropy(model(inputs), wanted)
        gradients = torch.autograd.grad(error, parameters)
        gradient = torch.cat([g.reshape(-1) for g in gradients]).numpy() + 2 * penalty * flat
        return error.item() - entropy + penalty * float(flat @ flat), gradient

    def report(_: object) -> None:
        nonlocal done
        done += 1
        if progress is not None and done % STEP == 0:
            progress(min(done / iterations, 1.0))

    start = torch.nn.utils.parameters_to_vector(parameters).detach().numpy().copy()
    options = {"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 0.0, "gtol": 1e-12, "maxcor": 30}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", callback=report, options=options)
    torch.nn.utils.vector_to_parameters(torch.from_numpy(found.x.copy()), parameters)
    return float(found.fun) - penalty * float(found.x @ found.x)
