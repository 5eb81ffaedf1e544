"""Several protections in one training run: in which order their hooks are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stealproof.errors import InputError
from stealproof.roles.ownership import Ownership
from stealproof.roles.training_defense import Hook, TrainingDefense, check_composition

LAST = 5
"""The turn of what takes no part in training, as a fingerprint."""


def turn(protection: Any) -> int:
    """Whatever changes or joins rows comes before those who work on whole batches."""
    if not isinstance(protection, TrainingDefense):
        return LAST
    hooks = protection.hooks()
    if Hook.PRIVATIZE in hooks:
        return LAST - 1
    if isinstance(protection, Ownership):
        return 1 if Hook.PERTURB in hooks else 0
    return 3 if Hook.PERTURB in hooks else 2


def in_training_order(protections: Sequence[Any]) -> tuple[Any, ...]:
    """These, each in its turn, whatever order they were named in.

    Raises:
        InputError: the same one twice.
        IncompatibleDefenses: two that can't share a stage of training.
    """
    names = [one.name() for one in protections]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name} is named {names.count(name)} times; deploy each protection once")
    ordered = tuple(sorted(protections, key=lambda one: (turn(one), one.name())))
    check_composition([one for one in ordered if isinstance(one, TrainingDefense)])
    return ordered
