"""Estimate: a number with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured value with its confidence interval."""

    value: float
    low: float
    high: float
    level: float = 0.95
    """Confidence level of the interval; 0 to 1."""
    n: int
    """How many observations stand behind it."""
    method: str
    """How the interval was made: ``clopper-pearson``, ``bootstrap``, ``student-t over seeds``."""

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for a result card."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "n": self.n,
            "method": self.method,
        }
