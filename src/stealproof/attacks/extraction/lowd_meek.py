"""Lowd-Meek: a binary linear classifier from labels alone, by line searches along one feature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._affine_surrogate import affine_network
from stealproof.attacks.extraction._telling_queries import uniform_inputs
from stealproof.errors import BudgetExceeded, InputError
from stealproof.roles.extraction import Extraction, Theft
from stealproof.system import Source

FEWEST_HALVINGS = 4
"""Coarsest line search that still tells a weight: to a sixteenth of its bracket."""
MOST_SHRINKS = 50
"""A linear boundary is met after fewer halvings of a move, unless a weight is 1e15 times another."""


@dataclass(frozen=True, kw_only=True)
class LowdMeek(Extraction):
    """Two inputs that differ in one feature and in their label, then one line search for each other feature."""

    source = Source(
        authors="Lowd, Meek",
        title="Adversarial Learning",
        venue="KDD",
        year=2005,
        url="https://doi.org/10.1145/1081870.1081950",
    )
    departure = (
        "inputs stay in the legal box, where the paper's may go anywhere; the sign witness is found by bisection, not"
        " feature by feature; a small budget is spread evenly as coarser line searches"
    )
    victims = "logistic regression"
    synthesizes = True
    epsilon: float = 1e-6
    """Width to which the boundary is located, as a fraction of the box; the sweep of Tramèr et al. is 1e-6 to 1."""
    delta: float = 1e-8
    """Ratio to the largest weight below which a weight counts as 0."""

    def _extract(self, theft: Theft) -> torch.nn.Module:
        if theft.oracle.classes != 2:
            raise InputError(
                f"lowd_meek steals classifiers of 2 classes, got {theft.oracle.classes}; use label_only_retraining"
            )
        for name in ("epsilon", "delta"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        theft.progress("looking for both classes", 0.0)
        line = self._line(theft, *self._both_classes(theft))
        weights = self._ratios(theft, line)
        weights[np.abs(weights) < self.delta * np.abs(weights).max()] = 0.0
        weights /= np.linalg.norm(weights)
        score = np.append(weights, -weights @ line.base) / 2
        return affine_network(np.stack([-score, score], axis=1))

    def _both_classes(self, theft: Theft) -> tuple[NDArray[Any], NDArray[Any]]:
        """A negative and a positive input, from uniform ones and, every other time, the thief's pool."""
        rng, domain = theft.rng("witness"), theft.oracle.domain
        pool = np.empty((0, *domain.shape)) if theft.pool is None else theft.pool
        order = theft.rng("pool").permutation(len(pool))
        found: dict[int, NDArray[Any]] = {}
        for turn in range(theft.budget):
            from_pool = turn % 2 == 1 and turn // 2 < len(pool)
            x = pool[order[turn // 2]][None] if from_pool else uniform_inputs(domain, 1, rng)
            found.setdefault(int(theft.ask(x).predicted[0]), np.asarray(x, dtype=np.float64).reshape(-1))
            if len(found) == 2:
                return found[0], found[1]
        raise BudgetExceeded(
            f"lowd_meek met only class {next(iter(found))} in {theft.budget} queries; raise the budget, or bring a pool"
            " that holds both classes"
        )

    def _line(self, theft: Theft, negative: NDArray[Any], positive: NDArray[Any]) -> _Line:
        """A point on the boundary and the feature that crosses it there (sign witness, section 4.1)."""
        order = theft.rng("order").permutation(len(negative))
        same, other = 0, len(order)  # how many features were swapped from the negative to the positive input
        while other - same > 1:
            middle = (same + other) // 2
            x = negative.copy()
            x[order[:middle]] = positive[order[:middle]]
            same, other = (same, middle) if self._labels(theft, x[None])[0] else (middle, other)
        feature = int(order[other - 1])
        base = negative.copy()
        base[order[:other]] = positive[order[:other]]
        low, high = float(negative[feature]), float(positive[feature])
        rising = high > low
        for _ in range(_halvings(abs(high - low), self.epsilon * _width(theft))):
            base[feature] = (low + high) / 2
            low, high = (low, base[feature]) if self._labels(theft, base[None])[0] else (base[feature], high)
        base[feature] = (low + high) / 2
        return _Line(base=base, feature=feature, rising=rising)

    def _ratios(self, theft: Theft, line: _Line) -> NDArray[np.float64]:
        """Weights ``(d,)`` up to a positive factor: how far the boundary moves along the line, for each feature."""
        domain, base, feature = theft.oracle.domain, line.base, line.feature
        sign = 1.0 if line.rising else -1.0
        low, high = max(domain.low, -1e6), min(domain.high, 1e6)
        others = np.flatnonzero(np.arange(len(base)) != feature)
        weights = np.zeros(len(base))
        weights[feature] = sign
        if not len(others):
            return weights
        moves = np.where(high - base[others] > base[others] - low, high - base[others], low - base[others])
        shifted = np.repeat(base[None], len(others), axis=0)
        shifted[np.arange(len(others)), others] += moves
        is_positive = self._labels(theft, shifted)
        # Where the move made it positive, the boundary now lies towards the negative end of the line.
        ends = np.where(is_positive == (sign > 0), low, high)
        pending = np.arange(len(others))
        for _ in range(MOST_SHRINKS):
            if not len(pending):
                break
            shifted[pending, feature] = ends[pending]
            crossed = self._labels(theft, shifted[pending]) != is_positive[pending]
            pending = pending[~crossed]
            moves[pending] /= 2
            shifted[pending, others[pending]] = base[others[pending]] + moves[pending]
        if len(pending):
            raise InputError(
                f"lowd_meek found no crossing of the boundary beside input {others[pending[0]]}; it steals linear"
                " classifiers, and this victim does not answer like one"
            )
        near, far = np.full(len(others), base[feature]), ends.astype(np.float64)
        affordable = theft.remaining() // len(others)
        wanted = _halvings(float(np.abs(far - near).max()), self.epsilon * _width(theft))
        if affordable < min(wanted, FEWEST_HALVINGS):
            needed = theft.budget - theft.remaining() + FEWEST_HALVINGS * len(others)
            raise BudgetExceeded(self._too_little(theft, needed))
        theft.notes["halvings"] = min(wanted, affordable)
        for done in range(min(wanted, affordable)):
            middle = (near + far) / 2
            shifted[:, feature] = middle
            before = self._labels(theft, shifted) == is_positive
            near, far = np.where(before, middle, near), np.where(before, far, middle)
            theft.progress("searching along lines", done / wanted)
        weights[others] = -sign * ((near + far) / 2 - base[feature]) / moves
        return weights

    def _labels(self, theft: Theft, x: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each flat input ``(n, d)`` is of class 1."""
        if len(x) > theft.remaining():
            least = theft.budget - theft.remaining() + len(x)
            raise BudgetExceeded(self._too_little(theft, least))
        return np.asarray(theft.ask(x.reshape(-1, *theft.oracle.domain.shape)).predicted == 1)

    def _too_little(self, theft: Theft, needed: int) -> str:
        inputs = math.prod(theft.oracle.domain.shape)
        full = inputs * (_halvings(1.0, self.epsilon) + 3)
        return (
            f"lowd_meek needs more than {needed} queries for {inputs} inputs, got a budget of {theft.budget};"
            f" about {full} locate every weight to {self.epsilon:g}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Where a line along one feature crosses the decision boundary."""

    base: NDArray[np.float64]
    """The point of crossing ``(d,)``."""
    feature: int
    rising: bool
    """Whether larger values of the feature are positive."""


def _halvings(width: float, precision: float) -> int:
    return max(0, math.ceil(math.log2(width / precision))) if width > 0 else 0


def _width(theft: Theft) -> float:
    return min(theft.oracle.domain.high, 1.0) - max(theft.oracle.domain.low, -1.0)
