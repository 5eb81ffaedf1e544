"""What every published thing declares: its source, the stage at which it acts, its parameters.

A *system* is one public file with one public class. The class is a frozen dataclass, so that its constructor can
do nothing but store keyword parameters, whose defaults are the paper's::

    @dataclass(frozen=True, kw_only=True)
    class KnockoffNets(Extraction):
        source = Source(authors="Orekondy et al.", ...)
        reward: str = "all"
"""

from __future__ import annotations

import dataclasses
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from stealproof.errors import UnknownName


class Stage(StrEnum):
    """Where in a model's life a system acts."""

    DATA = "data"
    TRAINING = "training"
    WEIGHTS = "weights"
    ANSWERS = "answers"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The publication that a system implements."""

    authors: str
    title: str
    venue: str
    year: int
    url: str


class System(ABC):
    """Base class of everything that the catalog lists. Subclasses are frozen, keyword-only dataclasses."""

    source: ClassVar[Source]
    stage: ClassVar[Stage] = Stage.NONE
    departure: ClassVar[str] = ""
    """Where this implementation departs from the paper and why; empty when it does not."""

    @classmethod
    def name(cls) -> str:
        """The catalog name: the file's name without ``.py``."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def make(cls, parameters: Mapping[str, Any] | None = None) -> Any:
        """An instance with these constructor parameters; an unknown one is an ``UnknownName``."""
        given = dict(parameters or {})
        known = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
        for key in given:
            if key not in known:
                raise UnknownName.among(f"parameter of {cls.name()}", key, known)
        return cls(**given)

    def parameters(self) -> dict[str, Any]:
        """The constructor parameters of this instance by name."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if field.init
        }

    def describe(self) -> dict[str, Any]:
        """Name and parameters, as they enter result cards and cache keys."""
        return {"name": self.name(), "parameters": self.parameters()}
