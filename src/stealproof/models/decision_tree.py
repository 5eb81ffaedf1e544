"""Decision tree: axis-parallel splits, grown by scikit-learn (CART)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from stealproof import seeds
from stealproof.errors import InputError
from stealproof.roles.architecture import EstimatorFamily
from stealproof.system import Source

TILT = 1e-3
"""Largest share of a node's distribution that ``DistinctLeavesTree`` replaces."""


class DistinctLeavesTree(DecisionTreeClassifier):
    """A decision tree in which no two nodes answer with the same distribution.

    After fitting, each node's class distribution is mixed with a random one of its own, of weight 0.0005 to 0.001.
    Labels change only where the two most frequent classes of a leaf were within 0.001 of each other.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, check_input: bool = True) -> DistinctLeavesTree:
        """Grow the tree as scikit-learn does, then tilt its nodes."""
        super().fit(X, y, sample_weight=sample_weight, check_input=check_input)
        values = self.tree_.value  # (nodes, 1, classes), a view: writing to it changes the tree's answers
        rng = seeds.rng(self.random_state or 0, "distinct leaves")
        weight = rng.uniform(TILT / 2, TILT, size=(len(values), 1, 1))
        other = rng.dirichlet(np.ones(values.shape[2]), size=(len(values), 1))
        values[...] = (1 - weight) * values + weight * other
        return self


@dataclass(frozen=True, kw_only=True)
class DecisionTree(EstimatorFamily):
    """CART with Gini impurity; an unlimited depth fits the training rows exactly."""

    source = Source(
        authors="Breiman, Friedman, Olshen, Stone",
        title="Classification and Regression Trees",
        venue="Wadsworth",
        year=1984,
        url="https://doi.org/10.1201/9781315139470",
    )
    max_depth: int | None = None
    """Most splits from the root to a leaf; None for no limit."""
    min_samples_leaf: int = 1
    """Fewest training rows in a leaf; at least 1."""
    criterion: Literal["gini", "entropy"] = "gini"
    """What a split should lower most."""
    distinct_leaves: bool = False
    """Whether each leaf's confidences are tilted by up to 0.001, to be unlike any other's: what path finding wants."""

    def build(self, shape: tuple[int, ...], classes: int, seed: int) -> Any:
        """An unfitted ``sklearn.tree.DecisionTreeClassifier``."""
        for name in ("max_depth", "min_samples_leaf"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} of {self.name()} must be at least 1, got {value}")
        kind = DistinctLeavesTree if self.distinct_leaves else DecisionTreeClassifier
        return kind(
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            criterion=self.criterion,
            random_state=seed % 2**32,
        )
