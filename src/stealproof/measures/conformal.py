"""Conformal p-values: how a suspect stands among models that are known to be independent."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stealproof.errors import InputError


def conformal_p_value(statistic: float, controls: Sequence[float]) -> float:
    """(1 + number of controls with at least this statistic) / (1 + number of controls).

    Valid, at any number of controls, when an innocent suspect's statistic is exchangeable with theirs (Vovk, Gammerman
    & Shafer, "Algorithmic Learning in a Random World", 2005, section 2.2).

    Args:
        statistic: the suspect's; larger means more like a stolen copy.
        controls: the same statistic on independent models, at least 1.
    """
    if not controls:
        raise InputError("a conformal p-value needs at least 1 control, got none")
    if any(math.isnan(value) for value in (statistic, *controls)):
        raise InputError("a conformal p-value needs numbers, got NaN")
    return (1 + sum(value >= statistic for value in controls)) / (1 + len(controls))


def controls_needed(level: float) -> int:
    """The fewest controls with which a conformal p-value can reach ``level``."""
    if not 0 < level < 1:
        raise InputError(f"a level must lie between 0 and 1, got {level}")
    # A hair below, since 1 / 0.01 is not exactly 100 for every such level.
    return math.ceil(1 / level - 1e-9) - 1


def conformal_threshold(controls: Sequence[float], level: float) -> float:
    """A statistic above this one has a conformal p-value of at most ``level``; infinite with too few controls."""
    allowed = math.floor(level * (1 + len(controls)) + 1e-9) - 1
    if allowed < 0:
        return math.inf
    ordered = sorted(controls, reverse=True)
    return ordered[allowed] if allowed < len(ordered) else -math.inf
