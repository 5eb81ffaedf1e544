"""Equation solving: a linear victim's weights from d+1 answers with probabilities, a small network's from more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._affine_surrogate import affine_network
from stealproof.attacks.extraction._gauss_newton import LARGEST, Link, fit_probabilities, probabilities
from stealproof.attacks.extraction._quasi_newton import fit_network
from stealproof.attacks.extraction._soft_answers import log_scores, rounding_unit, with_ones
from stealproof.attacks.extraction._telling_queries import independent_rows, uniform_inputs, unsaturated
from stealproof.errors import BudgetExceeded, InputError
from stealproof.models.mlp import Mlp
from stealproof.oracle import Answer, Answers
from stealproof.roles.extraction import SCORES, Extraction, Theft
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class EquationSolving(Extraction):
    """Each answer is one equation in the weights of a model class that the thief knows."""

    source = Source(
        authors="Tramèr, Zhang, Juels, Reiter, Ristenpart",
        title="Stealing Machine Learning Models via Prediction APIs",
        venue="USENIX Security",
        year=2016,
        url="https://arxiv.org/abs/1609.02943",
    )
    departure = (
        "log-ratios make the softmax linear, so it costs d+1 queries where the paper minimises a loss over several"
        " times as many; rounded answers and one-versus-rest are fitted by Gauss-Newton steps on the probabilities;"
        " networks by L-BFGS in place of stochastic gradient descent"
    )
    accepts = SCORES
    victims = "logistic regression"
    synthesizes = True
    model: Literal["softmax", "one-vs-rest", "mlp"] = "softmax"
    """The victim's class: softmax (with two classes: logistic regression), normalised sigmoids, one hidden layer."""
    alpha: float | None = None
    """Queries for each unknown weight; None: as few as solve the system, or the whole budget if answers are rounded."""
    hidden: int = 20
    """Hidden units of ``mlp``, unless the thief brings an architecture."""
    penalty: float = 1e-9
    """Weight of the squared parameters in the loss of ``mlp``; the paper sweeps 1e-16 to 1e-9."""
    iterations: int = 3000
    """Most steps of L-BFGS for ``mlp``."""

    def _extract(self, theft: Theft) -> torch.nn.Module:
        if self.alpha is not None and self.alpha <= 0:
            raise InputError(f"alpha must be positive, got {self.alpha}")
        return self._network(theft) if self.model == "mlp" else self._linear(theft)

    def _linear(self, theft: Theft) -> torch.nn.Module:
        inputs, classes = math.prod(theft.oracle.domain.shape), theft.oracle.classes
        least = inputs + 1
        if theft.budget < least:
            raise BudgetExceeded(
                f"equation_solving needs at least {least} queries for {inputs} inputs and a bias, got a budget of"
                f" {theft.budget}; raise it to {least}"
            )
        by_softmax = self.model == "softmax" or theft.oracle.access.answer is Answer.LOGITS
        x = independent_rows(theft, least)
        answers = theft.ask(x)
        unit = rounding_unit(answers, theft.oracle.access)
        enough = least if by_softmax else classes * least
        wanted = theft.budget if unit else enough
        if self.alpha is not None:
            wanted = max(least, math.ceil(self.alpha * classes * least))
        more = min(wanted, theft.budget) - least
        if more > 0:
            extra = uniform_inputs(theft.oracle.domain, more, theft.rng("more queries"))
            x, answers = np.concatenate([x, extra]), Answers.joined([answers, theft.ask(extra)])
        if by_softmax and not unit:
            x, answers = unsaturated(theft, x, answers)
        theft.notes["rounding_unit"] = unit
        weights = self._solve(theft, x, answers, unit, by_softmax)
        return affine_network(weights, one_vs_rest=not by_softmax)

    def _solve(
        self, theft: Theft, x: NDArray[Any], answers: Answers, unit: float, by_softmax: bool
    ) -> NDArray[np.float64]:
        """Weights ``(d + 1, classes)``: exactly from d+1 exact answers, else by least squares."""
        a, access = with_ones(x), theft.oracle.access
        logs = log_scores(answers, access, unit)
        square = len(a) == a.shape[1]
        weights = _square_or_least_squares(a, logs)
        by_probabilities = access.answer is Answer.PROBABILITIES and (unit > 0 or not by_softmax)
        if not by_probabilities or (by_softmax and square) or weights.size > LARGEST:
            return weights
        p = theft.soft_targets(answers)
        if not square:
            # The error of log p is that of p over p: faint probabilities say little about the weights.
            trust = 1 / np.sqrt((1 / np.maximum(p, unit or 1e-12) ** 2).mean(axis=1, keepdims=True))
            weights = _square_or_least_squares(a * trust, logs * trust)
        link: Link = "softmax" if by_softmax else "one-vs-rest"
        starts = [weights] if by_softmax else [weights, np.zeros_like(weights)]
        theft.progress("fitting probabilities", 0.9)
        fitted = [fit_probabilities(a, p, start, link=link) for start in starts]
        return min(fitted, key=lambda w: squared_error(a, p, w, link))

    def _network(self, theft: Theft) -> torch.nn.Module:
        architecture = theft.architecture or Mlp(width=self.hidden)
        network = architecture.build(theft.oracle.domain.shape, theft.oracle.classes, theft.generator("weights"))
        network = network.double()
        unknowns = sum(parameter.numel() for parameter in network.parameters())
        theft.notes["unknowns"] = unknowns
        rows = theft.budget if self.alpha is None else min(theft.budget, math.ceil(self.alpha * unknowns))
        x = uniform_inputs(theft.oracle.domain, rows, theft.rng("queries"))
        targets = theft.soft_targets(theft.ask(x))
        theft.notes["loss"] = fit_network(
            network,
            x,
            targets,
            penalty=self.penalty,
            iterations=self.iterations,
            progress=lambda share: theft.progress("solving for the network", share),
        )
        return network


def squared_error(a: NDArray[Any], p: NDArray[Any], weights: NDArray[Any], link: Link) -> float:
    """Sum of squared differences between shown and fitted probabilities."""
    return float(((probabilities(a @ weights, link) - p) ** 2).sum())


def _square_or_least_squares(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(a) == a.shape[1]:
        try:
            return np.asarray(np.linalg.solve(a, b))
        except np.linalg.LinAlgError:
            pass  # singular: least squares finds the smallest of the solutions
    return np.asarray(np.linalg.lstsq(a, b, rcond=None)[0])
