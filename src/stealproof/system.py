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
import inspect
import sys
import types
import typing
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from stealproof.errors import InputError, UnknownName


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
        """An instance with these constructor parameters.

        Raises:
            UnknownName: a parameter that the constructor does not have.
            InputError: a value of another type than the parameter's annotation.
        """
        given = dict(parameters or {})
        known = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
        for key, value in given.items():
            if key not in known:
                raise UnknownName.among(f"parameter of {cls.name()}", key, known)
            hint = _hint(cls, key)
            if not _fits(value, hint):
                raise InputError(f"parameter {key} of {cls.name()} must be {_in_words(hint)}, got {value!r}")
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


def _hint(cls: type, key: str) -> Any:
    """The annotation of one field. Those of its neighbours may name what is only imported for type checkers."""
    owner = next(base for base in cls.__mro__ if key in inspect.get_annotations(base))
    alone = type("Alone", (), {"__annotations__": {key: inspect.get_annotations(owner)[key]}})
    return typing.get_type_hints(alone, vars(sys.modules[owner.__module__]), {})[key]


def _fits(value: Any, hint: Any) -> bool:
    """Whether ``value`` may stand where ``hint`` is annotated; annotations that can't be checked admit everything."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, arguments[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(hint, type) and origin is None:
        return isinstance(value, hint)
    return True


def _in_words(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(repr, typing.get_args(hint)))
    return getattr(hint, "__name__", None) or str(hint)
