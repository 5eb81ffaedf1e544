"""Fitting a linear victim to the probabilities that it showed, by damped Gauss-Newton steps (Levenberg-Marquardt).

Rounding adds noise of the same size to every probability, so the squared error of probabilities is the right loss;
log-ratios would give most weight to the small ones, of which rounding left least.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Link = Literal["softmax", "one-vs-rest"]

LARGEST = 3000
"""Most unknowns for which the normal equations (unknowns squared) are worth their memory and time."""


def fit_probabilities(
    a: NDArray[np.float64],
    p: NDArray[np.float64],
    start: NDArray[np.float64],
    *,
    link: Link = "softmax",
    iterations: int = 60,
) -> NDArray[np.float64]:
    """Weights ``(d + 1, classes)`` that minimise the squared error of probabilities, beginning at ``start``.

    Args:
        a: inputs with a last column of ones, ``(n, d + 1)``.
        p: probabilities ``(n, classes)``, each row summing to about 1.
        start: weights of the same shape as the result.
        link: how scores become probabilities.
        iterations: most steps, rejected ones included.
    """
    weights, damping = start.copy(), 1e-3
    loss, gradient, hessian = _equations(a, p, weights, link)
    for _ in range(iterations):
        diagonal = np.diag(hessian)
        system = hessian + damping * np.diag(diagonal + 1e-12 * max(float(diagonal.max()), 1e-300))
        try:
            step = scipy.linalg.cho_solve(scipy.linalg.cho_factor(system, check_finite=False), gradient)
        except np.linalg.LinAlgError:
            damping *= 10
            continue
        trial = weights - step.reshape(weights.shape[::-1]).T
        new_loss, new_gradient, new_hessian = _equations(a, p, trial, link)
        if new_loss < loss:
            converged = new_loss > loss * (1 - 1e-12)
            weights, loss, gradient, hessian = trial, new_loss, new_gradient, new_hessian
            damping = max(damping / 10, 1e-14)
            if converged or loss == 0.0:
                break
        else:
            damping *= 10
            if damping > 1e8:
                break
    return weights


def probabilities(z: NDArray[np.float64], link: Link) -> NDArray[np.float64]:
    """Scores ``(n, classes)`` as probabilities."""
    logs = z if link == "softmax" else -np.logaddexp(0.0, -z)
    shifted = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _equations(
    a: NDArray[np.float64], p: NDArray[np.float64], weights: NDArray[np.float64], link: Link
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Loss, gradient ``(k,)`` and Gauss-Newton matrix ``(k, k)`` of the k unknowns, class by class."""
    classes, unknowns = p.shape[1], a.shape[1]
    z = a @ weights
    q = probabilities(z, link)
    residual = q - p
    slope = q[:, :, None] * (np.eye(classes) - q[:, None, :])  # (n, classes, classes): dq_k / dz_j under a softmax
    if link == "one-vs-rest":
        slope *= (1 / (1 + np.exp(np.clip(z, -700, 700))))[:, None, :]
    gradient = np.einsum("nk,nkj->nj", residual, slope).T @ a
    squared = np.einsum("nki,nkj->nij", slope, slope)
    hessian = np.empty((classes * unknowns, classes * unknowns))
    for i in range(classes):
        for j in range(i, classes):
            block = (a * squared[:, i, j, None]).T @ a
            rows, columns = slice(i * unknowns, (i + 1) * unknowns), slice(j * unknowns, (j + 1) * unknowns)
            hessian[rows, columns] = block
            hessian[columns, rows] = block.T
    return float((residual**2).sum()), gradient.ravel(), hessian
