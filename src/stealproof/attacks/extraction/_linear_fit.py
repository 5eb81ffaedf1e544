"""Fitting logistic regression to labels that a linear victim gave: separable data, so hardly any penalty."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from stealproof.attacks.extraction._affine_surrogate import affine_network

NEVER = -1e3
"""Logit of a class that no answer showed."""
LARGEST = 2000
"""Most unknowns for which Newton steps (unknowns squared in memory) are faster than L-BFGS."""
ITERATIONS = 200


def fit_linear(x: NDArray[Any], labels: NDArray[np.int64], classes: int, *, strength: float) -> torch.nn.Sequential:
    """A linear network in float64 from inputs ``(n, *shape)`` to logits ``(n, classes)``.

    Args:
        x: inputs ``(n, *shape)``.
        labels: ``(n,)`` in ``0..classes-1``; not every class need occur.
        classes: outputs of the network.
        strength: inverse weight of the L2 penalty, positive (scikit-learn's C).
    """
    flat = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    seen = np.unique(labels)
    weights = np.zeros((flat.shape[1] + 1, classes))
    weights[-1] = NEVER
    weights[-1, seen] = 0.0
    if len(seen) > 1:
        unknowns = weights.size if len(seen) > 2 else len(weights)
        solver = "newton-cholesky" if unknowns <= LARGEST else "lbfgs"
        estimator = LogisticRegression(C=strength, solver=solver, max_iter=ITERATIONS, tol=1e-6)
        with warnings.catch_warnings():
            # Separable labels pull the weights to infinity; where the solver stops on the way makes no difference.
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            estimator.fit(flat, labels)
        found = np.concatenate([estimator.coef_, estimator.intercept_[:, None]], axis=1).T
        weights[:, seen] = np.concatenate([-found / 2, found / 2], axis=1) if len(seen) == 2 else found
    return affine_network(weights)
