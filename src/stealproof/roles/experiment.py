"""Experiment: what one cell of a study computes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from stealproof.roles.risk import Measurement
from stealproof.system import System


@dataclass(frozen=True, kw_only=True)
class Experiment(System):
    """Base of every experiment. Its fields are the axes and settings that a study's TOML file may name."""

    measures: ClassVar[Mapping[str, str]] = {}
    """The estimates that a cell may give, by name, in words; empty when they can't be told in advance."""

    def check(self) -> None:
        """Raise ``InputError`` for values that no cell could run with; a study calls this before it computes."""
        return

    @abstractmethod
    def run(self, *, seed: int, workshop: Any) -> Measurement:
        """Compute one cell. ``workshop`` is the ``stealproof.studies.workshop.Workshop`` that caches models."""
