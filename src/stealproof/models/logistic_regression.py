"""Logistic regression: a linear model, binary or multinomial (softmax), fitted by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stealproof.roles.architecture import EstimatorFamily
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class LogisticRegression(EstimatorFamily):
    """L2-regularised maximum likelihood by L-BFGS, in float64."""

    source = Source(
        authors="Cox",
        title="The regression analysis of binary sequences",
        venue="Journal of the Royal Statistical Society B 20(2)",
        year=1958,
        url="https://doi.org/10.1111/j.2517-6161.1958.tb00292.x",
    )
    C: float = 1.0
    """Inverse strength of the L2 penalty; positive, larger means weaker."""
    iterations: int = 1000
    """Most iterations of the solver."""

    def build(self, shape: tuple[int, ...], classes: int, seed: int) -> Any:
        """An unfitted ``sklearn.linear_model.LogisticRegression``."""
        from sklearn.linear_model import LogisticRegression as Estimator

        return Estimator(C=self.C, max_iter=self.iterations, random_state=seed % 2**32)
