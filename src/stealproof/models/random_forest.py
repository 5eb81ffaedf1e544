"""Random forest: the mean of many decision trees, each grown on its own bootstrap sample, by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stealproof.errors import InputError
from stealproof.roles.architecture import EstimatorFamily
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class RandomForest(EstimatorFamily):
    """Trees with Gini impurity that see a random square root of the columns at each split."""

    source = Source(
        authors="Breiman",
        title="Random Forests",
        venue="Machine Learning 45",
        year=2001,
        url="https://doi.org/10.1023/A:1010933404324",
    )
    trees: int = 100
    """Number of trees; at least 1."""
    max_depth: int | None = None
    """Most splits from a root to a leaf; None for no limit."""
    min_samples_leaf: int = 1
    """Fewest training rows in a leaf; at least 1."""

    def build(self, shape: tuple[int, ...], classes: int, seed: int) -> Any:
        """An unfitted ``sklearn.ensemble.RandomForestClassifier``."""
        from sklearn.ensemble import RandomForestClassifier

        for name in ("trees", "max_depth", "min_samples_leaf"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} of {self.name()} must be at least 1, got {value}")
        return RandomForestClassifier(
            n_estimators=self.trees,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            random_state=seed % 2**32,
        )
