"""ActiveThief: ask in rounds, each time the inputs of the pool from which the surrogate would learn most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._predictions import logits_of, probabilities_of
from stealproof.attacks.extraction._selection import entropies, greedy_centres, largest, nearest_to_boundary
from stealproof.attacks.extraction._surrogate import train_surrogate
from stealproof.errors import InputError
from stealproof.roles.extraction import Extraction, Theft
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class ActiveThief(Extraction):
    """Ask a random validation set and a random seed set, then in rounds what a strategy selects from the pool.

    ``uncertainty`` takes the largest entropy of the surrogate, ``k-center`` spreads over its outputs, ``dfal`` takes
    what lies nearest to its decision boundary, ``dfal+k-center`` spreads over as many of the nearest as the budget has
    queries. ``random`` is the control: the same rounds without a choice.
    """

    source = Source(
        authors="Pal, Gupta, Shukla, Kanade, Shevade, Ganapathy",
        title="ActiveThief: Model Extraction Using Active Learning and Unannotated Public Data",
        venue="AAAI",
        year=2020,
        url="https://doi.org/10.1609/aaai.v34i01.5432",
    )
    departure = (
        "the paper stops each training early by its F1 on the validation set; here the recipe fixes the length, the"
        " validation set only measures how the rounds went (notes), and the final surrogate learns from it too;"
        " DeepFool tries the three likeliest classes for at most five steps, on the inputs with the smallest margins"
    )
    needs_pool = True

    strategy: Literal["dfal+k-center", "dfal", "k-center", "uncertainty", "random"] = "dfal+k-center"
    """How the inputs of a round are selected; the default was the paper's best on average."""
    rounds: int = 10
    """Rounds of selection after the seed set; each trains a surrogate from scratch. At least 0."""
    seed_share: float = 0.1
    """Share of the budget that the random seed set takes; 0 to 1, at least one query."""
    validation_share: float = 0.2
    """Share of the budget that the random validation set takes; 0 to 1."""
    shortlist: float = 2.0
    """DeepFool looks at this many times the inputs that it shall find; at least 1."""

    def _extract(self, theft: Theft) -> torch.nn.Module:
        assert theft.pool is not None
        self._check()
        validation, *parts = self.plan(theft.budget)
        order = theft.rng("pool").permutation(len(theft.pool))
        held, asked = order[:validation], order[validation : validation + parts[0]]
        held_targets = self._ask(theft, held)
        targets = self._ask(theft, asked)
        agreements: list[float] = []
        # A training costs about the same for few rows as for many (see suited_recipe).
        shares = np.linspace(0.0, 1.0, len(parts) + 1)
        for number, count in enumerate(parts[1:]):
            share = (float(shares[number]), float(shares[number + 1]))
            model = train_surrogate(theft, theft.pool[asked], targets, name=f"round {number + 1}", progress_share=share)
            agreements += self._agreement(model, theft.pool[held], held_targets)
            rest = np.setdiff1d(order[validation:], asked)
            chosen = rest[self._select(theft, model, rest, asked, count)]
            asked = np.concatenate([asked, chosen])
            targets = np.concatenate([targets, self._ask(theft, chosen)])
        theft.notes.update(validation=validation, asked_by_round=parts, validation_agreement=agreements)
        everything = np.concatenate([asked, held])
        return train_surrogate(
            theft,
            theft.pool[everything],
            np.concatenate([targets, held_targets]),
            progress_share=(float(shares[-2]), 1.0),
        )

    def plan(self, budget: int) -> list[int]:
        """Queries for validation, for the seed set, and for each round that gets any; they sum to ``budget``."""
        seeds = min(budget, max(1, round(budget * self.seed_share)))
        validation = min(budget - seeds, round(budget * self.validation_share))
        rest = budget - seeds - validation
        if not self.rounds:
            return [validation, seeds + rest]
        edges = np.linspace(0, rest, min(self.rounds, rest) + 1).round().astype(int)
        return [validation, seeds, *np.diff(edges).tolist()]

    def _check(self) -> None:
        if self.rounds < 0:
            raise InputError(f"rounds must be at least 0, got {self.rounds}")
        if self.shortlist < 1:
            raise InputError(f"shortlist must be at least 1, got {self.shortlist}")
        for name in ("seed_share", "validation_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")

    @staticmethod
    def _ask(theft: Theft, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Targets ``(n, classes)`` for these rows of the pool; no rows, no query."""
        assert theft.pool is not None
        return theft.soft_targets(theft.ask(theft.pool[rows])) if len(rows) else np.empty((0, theft.oracle.classes))

    @staticmethod
    def _agreement(model: torch.nn.Module, x: NDArray[Any], targets: NDArray[np.float64]) -> list[float]:
        """Share of the validation set on which ``model`` says what the victim said; nothing without such a set."""
        return [float((logits_of(model, x).argmax(axis=1) == targets.argmax(axis=1)).mean())] if len(x) else []

    def _select(
        self, theft: Theft, model: torch.nn.Module, rest: NDArray[np.int64], asked: NDArray[np.int64], count: int
    ) -> NDArray[np.int64]:
        """Places in ``rest`` (rows of the pool that were not asked) of the ``count`` inputs to ask next."""
        assert theft.pool is not None
        if self.strategy == "random":
            return theft.rng("select", len(asked)).choice(len(rest), count, replace=False)
        x = theft.pool[rest]
        if self.strategy == "uncertainty":
            return largest(entropies(probabilities_of(model, x)), count)
        if self.strategy == "dfal":
            return nearest_to_boundary(model, x, count, shortlist=self.shortlist)
        near = np.arange(len(rest))
        if self.strategy == "dfal+k-center":
            near = nearest_to_boundary(model, x, min(theft.budget, len(rest)), shortlist=self.shortlist)
        centres = probabilities_of(model, theft.pool[asked])
        return near[greedy_centres(probabilities_of(model, x[near]), centres, count)]
