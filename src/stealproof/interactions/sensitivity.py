"""How far the verdicts hang on the criterion: all limits narrower or wider by the same factor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stealproof.errors import InputError
from stealproof.interactions.criterion import ROUNDING, Interaction, Outcome, Verdict

FACTORS = tuple(2.0 ** (step / 2) for step in range(-4, 5))
"""From a quarter of every limit to four times as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """The verdict on one pair under scaled criteria."""

    one: str
    other: str
    factors: tuple[float, ...]
    verdicts: tuple[Verdict, ...]
    """One for each factor."""
    conflict_below: float
    """With limits scaled by less than this, the pair is a conflict; at most 0 when no scale makes it one, inf when all
    do."""
    fine_from: float
    """With limits scaled by this or more, the pair is fine; inf when none does, at most 0 when all do."""

    @property
    def stable(self) -> bool:
        """Whether all factors give the same verdict."""
        return len(set(self.verdicts)) <= 1

    def as_dict(self) -> dict[str, Any]:
        """JSON types; a scale that does not exist is None."""
        return {
            "one": self.one,
            "other": self.other,
            "factors": list(self.factors),
            "verdicts": list(self.verdicts),
            "conflict_below": self.conflict_below if math.isfinite(self.conflict_below) else None,
            "fine_from": self.fine_from if math.isfinite(self.fine_from) else None,
        }


def sensitivity(interactions: Iterable[Interaction], factors: Sequence[float] = FACTORS) -> tuple[Sensitivity, ...]:
    """The verdict on each pair with every limit scaled by each of ``factors``, and where it flips.

    The intervals stay as measured, so that only the criterion moves: a pair passes from conflict over undecided to fine
    as the limits widen, never back.

    Raises:
        InputError: no factor, or one that is not above 0.
    """
    if not factors or not all(math.isfinite(factor) and factor > 0 for factor in factors):
        raise InputError(f"limits can be scaled by factors above 0 only, got {list(factors)}; 1 leaves them as stated")
    return tuple(_of(interaction, tuple(map(float, factors))) for interaction in interactions)


def _of(interaction: Interaction, factors: tuple[float, ...]) -> Sensitivity:
    spans = [_span(outcome) for outcome in interaction.outcomes]
    conflict_below = max(low for low, _ in spans)
    fine_from = max(high for _, high in spans)
    return Sensitivity(
        one=interaction.one,
        other=interaction.other,
        factors=factors,
        verdicts=tuple(
            "conflict" if factor < conflict_below else "fine" if factor >= fine_from else "undecided"
            for factor in factors
        ),
        conflict_below=conflict_below,
        fine_from=fine_from,
    )


def _span(outcome: Outcome) -> tuple[float, float]:
    """Below which scale the outcome is a conflict, and from which on it is fine."""
    loss = outcome.difference.difference
    low, high = loss.low - ROUNDING, loss.high - ROUNDING
    if outcome.tolerated == 0:  # Nothing is tolerated at any scale.
        return (math.inf if low > 0 else -math.inf), (math.inf if high > 0 else -math.inf)
    return low / outcome.tolerated, high / outcome.tolerated
