"""Criterion: how large a loss calls two protections a conflict, stated before anything is run.

The idea is of Szyller & Asokan, "Conflicting Interactions among Protection Mechanisms for Machine Learning Models"
(AAAI 2023): two protections conflict when, deployed together, the accuracy or the measure of one of them drops by more
than a set limit below what it reaches alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stealproof.errors import InputError, UnknownName

ACCURACY = "accuracy"
"""The one measure that belongs to no protection; only this exact name means it."""
KEYS = ("drop", "relative", "worse")
"""What a table of one limit may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One line of a criterion: the largest tolerated loss of one measure.

    Raises:
        InputError: a drop that is negative or not finite, a direction that is neither "lower" nor "higher".
    """

    measure: str
    """``accuracy``, ``evasion.robust_accuracy``, ``effect``: fits a measure that equals it, or whose last part after
    a dot does."""
    drop: float
    """Largest tolerated loss, at least 0: in the measure's own units, or as a share of the value alone."""
    relative: bool = False
    """Whether ``drop`` is a share of the value alone."""
    worse: Literal["lower", "higher"] = "lower"
    """Which way the harm lies; "higher" for the success of an attack, where a rise is the loss."""

    def __post_init__(self) -> None:
        if not isinstance(self.measure, str) or not self.measure:
            raise InputError(f"a limit needs the name of a measure, such as 'accuracy', got {self.measure!r}")
        number = isinstance(self.drop, int | float) and not isinstance(self.drop, bool)
        if not number or not math.isfinite(self.drop) or self.drop < 0:
            raise InputError(
                f"the limit of {self.measure} must be a tolerated drop of at least 0, got {self.drop!r};"
                " write 0.05 for five points"
            )
        if not isinstance(self.relative, bool):
            raise InputError(f"relative of the limit of {self.measure} must be true or false, got {self.relative!r}")
        if self.worse not in ("lower", "higher"):
            raise InputError(f"worse of the limit of {self.measure} must be 'lower' or 'higher', got {self.worse!r}")

    def fits(self, measure: str) -> bool:
        """Whether this limit is for ``measure``."""
        return measure == self.measure or (self.measure != ACCURACY and measure.rpartition(".")[2] == self.measure)

    def scaled(self, factor: float) -> Limit:
        """The same limit, ``factor`` (above 0) times as wide."""
        return Limit(measure=self.measure, drop=self.drop * factor, relative=self.relative, worse=self.worse)

    def as_dict(self) -> dict[str, Any]:
        """Plain types, as in a TOML table of one limit, with its measure."""
        return {"measure": self.measure, "drop": self.drop, "relative": self.relative, "worse": self.worse}


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """Limits of different measures; a measure without one is not judged.

    Raises:
        InputError: no limit at all, or two for the same measure.
    """

    limits: tuple[Limit, ...]

    def __post_init__(self) -> None:
        if not self.limits:
            raise InputError("a criterion needs at least one limit, for instance accuracy = 0.05")
        names = [limit.measure for limit in self.limits]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"the criterion has {names.count(name)} limits for {name}; keep one")

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Criterion:
        """The criterion of a TOML table, as under ``[criterion]`` of a study.

        Each entry is a tolerated drop, or a table of ``drop``, ``relative`` and ``worse``::

            [criterion]
            accuracy = 0.05
            "evasion.robust_accuracy" = 0.05
            effect = { drop = 0.5, relative = true }
            auc = { drop = 0.05, worse = "higher" }

        Raises:
            UnknownName: a key that a limit does not have.
            InputError: a value that is no limit, or no table at all.
        """
        if not isinstance(table, Mapping):
            raise InputError(f"a criterion must be a table of limits, such as {{accuracy = 0.05}}, got {table!r}")
        return cls(limits=tuple(_limit(measure, given) for measure, given in table.items()))

    def limit(self, measure: str) -> Limit | None:
        """The limit for ``measure``, the one with its full name before that of its last part; None without one."""
        fitting = [limit for limit in self.limits if limit.fits(measure)]
        return max(fitting, key=lambda limit: limit.measure == measure, default=None)

    def scaled(self, factor: float) -> Criterion:
        """The same criterion with every limit ``factor`` times as wide."""
        return Criterion(limits=tuple(limit.scaled(factor) for limit in self.limits))

    def as_dict(self) -> dict[str, Any]:
        """Plain types; ``from_table`` reads them back."""
        return {
            limit.measure: {"drop": limit.drop, "relative": limit.relative, "worse": limit.worse}
            for limit in self.limits
        }


def _limit(measure: str, given: Any) -> Limit:
    if not isinstance(given, Mapping):
        return Limit(measure=measure, drop=given)
    for key, value in given.items():
        if key not in KEYS:
            # TOML reads the unquoted evasion.robust_accuracy = 0.05 as a table in a table.
            advice = f'(a name with a dot needs quotes: "{measure}.{key}" = {value})'
            raise UnknownName.among(f"part of the limit of {measure}", str(key), KEYS, advice)
    if "drop" not in given:
        raise InputError(f"the limit of {measure} says no drop; write for instance {measure} = {{drop = 0.05}}")
    return Limit(measure=measure, **given)


DEFAULT_CRITERION = Criterion(
    limits=(
        Limit(measure=ACCURACY, drop=0.05),
        Limit(measure="robust_accuracy", drop=0.05),
        Limit(measure="effect", drop=0.5, relative=True),
        Limit(measure="detected", drop=0.5),
        Limit(measure="auc", drop=0.05, worse="higher"),
    )
)
"""The criterion unless a study states another. The original's thresholds were not published with their numbers, so each
line is our choice, made before any run:

- ``accuracy`` 0.05: beyond what the costlier of the two takes alone, five points are what an owner notices first.
- ``robust_accuracy`` 0.05: the same five points, for inputs that an attacker chose.
- ``effect`` half of the value alone: schemes measure their signal in different units (matches, losses, distances), so
  only a share compares; a scheme that loses more than half of it has lost its margin.
- ``detected`` 0.5: the proof is lost in more than half of the runs.
- ``auc`` 0.05, upwards: a membership attack that gains a tenth of the way from guessing (0.5) to certainty (1).

``sensitivity`` shows how the verdicts change when all limits are narrower or wider.
"""
