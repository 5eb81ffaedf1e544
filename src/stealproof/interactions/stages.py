"""When a protection acts, what it changes, and which risk it lives on: read off how its class is declared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from stealproof import catalog
from stealproof.errors import InputError
from stealproof.roles.guard import Guard
from stealproof.roles.ownership import Fingerprint, Ownership, Watermark
from stealproof.roles.training_defense import Hook, TrainingDefense
from stealproof.system import Stage

POISONING = "poisoning"
"""The risk that foreign or changed training rows teach a model something of their own."""
IN_TRAINING = frozenset({Hook.PERTURB, Hook.PENALTY, Hook.PRIVATIZE})
ROLES = ("training_defense", "guard", "ownership")
"""Roles whose systems protect a model."""


class Moment(IntEnum):
    """The stages of Duddu, Zhang & Asokan, in order."""

    PRE = 0
    IN = 1
    POST = 2

    @property
    def words(self) -> str:
        """``pre-training``."""
        return f"{self.name.lower()}-training"


class Place(StrEnum):
    """What a protection can change."""

    DATA = "the training data"
    WEIGHTS = "the weights"
    ANSWERS = "the answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What the stage rule knows of one protection."""

    name: str
    moment: Moment
    changes: frozenset[Place]
    """Empty for a fingerprint, which looks only."""
    lowers: frozenset[str] = frozenset()
    """Risks that it is meant to lower."""
    uses: frozenset[str] = frozenset()
    """Risks that it lives on: a watermark of marked rows is a poisoning by the owner."""

    @property
    def words(self) -> str:
        """``dp_sgd acts in-training and changes the weights``."""
        return f"{self.name} acts {self.moment.words} and changes {in_words(self.changes)}"

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "name": self.name,
            "stage": self.moment.words,
            "changes": sorted(self.changes),
            "lowers": sorted(self.lowers),
            "uses": sorted(self.uses),
        }


def in_words(places: Iterable[Place]) -> str:
    """``the answers and the weights``; ``nothing``."""
    return " and ".join(sorted(places)) or "nothing"


def act_of(name: str) -> Act:
    """The act of a registered defense, guard or ownership scheme, from its class alone.

    Raises:
        UnknownName: nothing has this name.
        InputError: it protects nothing (an attack, a data set).
    """
    entry = catalog.find(name)
    if not set(entry.roles) & set(ROLES):
        raise InputError(
            f"{entry.name} is of the role {entry.roles[0].replace('_', ' ')} and protects no model;"
            " name a training defense, a guard or an ownership scheme"
        )
    cls = catalog.load(entry.name)
    moment, changes = _where(cls)
    return Act(name=entry.name, moment=moment, changes=frozenset(changes), lowers=_lowers(cls, moment), uses=_uses(cls))


def _where(cls: type) -> tuple[Moment, set[Place]]:
    if issubclass(cls, Fingerprint):
        return Moment.POST, set()
    if not issubclass(cls, TrainingDefense):
        return Moment.POST, {Place.ANSWERS} if issubclass(cls, Guard) else set()
    hooks = cls.hooks()
    if cls.stage is Stage.DATA or hooks == {Hook.PREPARE}:
        return Moment.PRE, {Place.DATA}
    if hooks and not hooks & IN_TRAINING and Hook.FINISH in hooks and cls.stage is not Stage.TRAINING:
        return Moment.POST, {Place.WEIGHTS}
    changes = {Place.WEIGHTS}
    # A watermark joins rows behind the drawn ones, which stay as they are; another defense changes the drawn ones.
    if Hook.PERTURB in hooks and not issubclass(cls, Watermark):
        changes.add(Place.DATA)
    return Moment.IN, changes


def _lowers(cls: type, moment: Moment) -> frozenset[str]:
    named = frozenset(getattr(cls, "protects_from", ()))
    # Who drops or changes training rows before the training, and marks none, looks for rows that teach something else.
    return named | {POISONING} if moment is Moment.PRE and not issubclass(cls, Ownership) else named


def _uses(cls: type) -> frozenset[str]:
    if not issubclass(cls, Watermark) or not issubclass(cls, TrainingDefense):
        return frozenset()
    return frozenset({POISONING}) if cls.stage is Stage.DATA or Hook.PERTURB in cls.hooks() else frozenset()
