"""Risk: one thing that can go wrong with a model, measured."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stealproof.measures.estimate import Estimate
from stealproof.system import System

if TYPE_CHECKING:
    from stealproof.roles.dataset import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Named estimates, each with its interval, and what else is worth reporting."""

    estimates: Mapping[str, Estimate]
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Risk(System):
    """Base of every risk."""

    measures: ClassVar[Mapping[str, str]] = {}
    """The estimates that it may give, by name, in words."""
    headline: ClassVar[str] = ""
    """Name of the estimate that says how exposed a model is."""
    worse: ClassVar[Literal["higher", "lower"]] = "higher"
    """Which values of the headline mean more exposed."""

    @abstractmethod
    def measure(self, model: Any, data: Dataset, *, seed: int = 0) -> Measurement:
        """How exposed ``model`` (a network, an estimator or an ``Oracle``) is, on ``data``."""
