"""Outlier removal: drop the training rows that help least, are predicted worst, or lie farthest from their class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from stealproof.defenses.training._row_scores import by_loss, by_neighbours, by_shapley, quick_network
from stealproof.defenses.training._splits import halves
from stealproof.errors import InputError, InvalidData
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class OutlierRemoval(TrainingDefense):
    """Drop a share of the rows before training: for mislabelled, poisoned and stray rows, which it can't tell apart.

    Every row is scored by the other half of the rows, so that no row vouches for itself. The rows that protections
    earlier in the list have marked or made are judged like all others and may be dropped; those that later ones add
    are not. Rare subgroups look like outliers too, so look at what goes: ``scores`` tells.
    """

    source = Source(
        authors="Jia, Dao, Wang, Hubis, Gurel, Li, Zhang, Spanos, Song",
        title="Efficient Task-Specific Data Valuation for Nearest Neighbor Algorithms",
        venue="VLDB",
        year=2019,
        url="https://arxiv.org/abs/1908.08619",
    )
    departure = (
        "validation points come from the training rows themselves: the values of each half of the rows are counted with"
        " points of the other half, so that no clean validation set is needed; losses and distances to the own class"
        " are two simpler scores beside the paper's"
    )
    selects: ClassVar[str] = "drops rows by what the other rows are"

    share: float = 0.1
    """Share of the rows to drop; at least 0, below 1."""
    method: Literal["shapley", "loss", "knn"] = "shapley"
    """``shapley``: least worth to a k-nearest-neighbour classifier (the paper's Theorem 1). ``loss``: highest
    cross-entropy under a small network. ``knn``: largest mean distance to the k nearest rows of the same class."""
    k: int = 5
    """Neighbours, at least 1; ``loss`` has none."""
    space: Literal["inputs", "network"] = "inputs"
    """Where distances are taken: between inputs, or between what the last layer of a small network gets, which is
    trained on the other half first; ``loss`` has none."""
    validation: int = 1000
    """Most validation points for each half; at least 1; ``shapley`` only."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """``data`` without its oddest rows, in the old order.

        Raises:
            InputError: a parameter out of range, or a class of which no row would be left.
            InvalidData: a single row, which nothing can be compared with.
        """
        self._check_parameters()
        dropped = round(self.share * len(data))
        if dropped == 0:
            return data
        odd = self.scores(data, classes=run.classes, generator=run.generator).argsort(descending=True, stable=True)
        kept = data.take(odd[dropped:].sort().values)
        before, after = (part.labels.bincount(minlength=run.classes) for part in (data, kept))
        gone = ((before > 0) & (after == 0)).nonzero().flatten().tolist()
        if gone:
            raise InputError(
                f"outlier_removal would drop every row of class {gone[0]} ({int(before[gone[0]])} of {len(data)} rows);"
                f" lower share (now {self.share:g}), choose another method than {self.method}, or bring more rows of it"
            )
        return kept

    def scores(self, data: Part, *, classes: int, generator: torch.Generator) -> torch.Tensor:
        """How odd each row is, ``(n,)`` float64; larger is odder, in the units of ``method``."""
        self._check_parameters()
        if len(data) < 2:
            raise InvalidData(f"outlier_removal compares rows with each other, got {len(data)}; expected at least 2")
        scores = torch.zeros(len(data), dtype=torch.float64)
        first, second = halves(data.labels, generator)
        for rows, others in ((first, second), (second, first)):
            mine, other = data.take(rows), data.take(others)
            trains = self.method == "loss" or self.space == "network"
            network = quick_network(other, classes, generator) if trains else None
            if self.method == "loss":
                assert network is not None
                scores[rows] = by_loss(mine, network)
            elif self.method == "knn":
                scores[rows] = by_neighbours(mine, other, k=self.k, network=network)
            else:
                scores[rows] = by_shapley(
                    mine, other, k=self.k, validation=self.validation, generator=generator, network=network
                )
        return scores

    def _check_parameters(self) -> None:
        # NaN is neither.
        if not 0 <= self.share < 1:
            raise InputError(f"share of outlier_removal must be at least 0 and below 1, got {self.share}")
        for name in ("k", "validation"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} of outlier_removal must be at least 1, got {getattr(self, name)}")
