"""Experiment: what one cell of a study computes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from stealproof.roles.risk import Measurement
from stealproof.system import System


@dataclass(frozen=True, kw_only=True)
class Experiment(System):
    """Base of every experiment. Its fields are the axes and settings that a study's TOML file may name."""

    @abstractmethod
    def run(self, *, seed: int, workshop: Any) -> Measurement:
        """Compute one cell. ``workshop`` is the ``stealproof.studies.workshop.Workshop`` that caches models."""
