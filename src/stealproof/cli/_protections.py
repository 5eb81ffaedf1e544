"""Lists of protections on the command line: ``dp_sgd(epsilon=3),adi2018``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from stealproof.errors import InputError, UnknownName
from stealproof.inputs.systems import parse_systems

if TYPE_CHECKING:
    from stealproof.roles.training_defense import TrainingDefense

ROLES = ("training_defense", "ownership")
"""What can protect a network: a training defense, or a scheme that proves whose it is."""

defenses_option = click.option(
    "--with",
    "defenses",
    default="",
    metavar="A,B,...",
    help="Training defenses, as in 'dp_sgd(epsilon=3),outlier_removal'; `stealproof list training_defense` has them.",
)


def split_protections(text: str) -> tuple[str, ...]:
    """The protections in ``text``, joined by ``,`` or ``+`` outside of parentheses, each as it was written.

    Raises:
        InputError: an empty item, or parentheses that do not close.
    """
    items, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth < 0:
            break
        if letter in ",+" and depth == 0:
            items.append("")
        else:
            items[-1] += letter
    if depth or not all(item.strip() for item in items):
        raise InputError(f"expected names joined by commas, as in dp_sgd(epsilon=3),adi2018, got {text!r}")
    return tuple(item.strip() for item in items)


def make_protection(text: str, roles: Sequence[str] = ROLES) -> Any:
    """The training defense or ownership scheme behind ``name(key=value, ...)``, made and so checked.

    Raises:
        UnknownName: no system of these roles has this name; what it is instead, or the nearest match, is told.
        InputError: a parameter that it does not have, or of a wrong type.
    """
    from stealproof import catalog

    ((name, parameters),) = parse_systems(text)
    entry = next((entry for entry in catalog.entries() if entry.name == name), None)
    role = next((role for role in roles if entry is not None and role in entry.roles), None)
    # A watermark is a training defense as well; trained without its claim it would prove nothing.
    if entry is not None and "ownership" in entry.roles and "ownership" not in roles:
        raise _unusable(name, "ownership", roles)
    if entry is None or role is None:
        raise _unusable(name, "" if entry is None else entry.roles[0], roles)
    return catalog.make(name, role, **parameters)


def make_defenses(text: str) -> tuple[TrainingDefense, ...]:
    """The training defenses that ``--with`` names, in its order; none where it is empty. Raises as the two above."""
    return tuple(make_protection(one, ("training_defense",)) for one in split_protections(text)) if text else ()


def accounted_in_words(account: Mapping[str, Any]) -> str:
    """``with dp_sgd: epsilon 2.99 at delta 1e-05``; the name alone where nothing was spent."""
    spent = account.get("spent")
    figures = f": epsilon {spent['epsilon']:.3g} at delta {spent['delta']:g}" if spent else ""
    return f"with {account['name']}{figures}"


def _unusable(name: str, role: str, roles: Sequence[str]) -> InputError:
    from stealproof import catalog

    if role == "guard":
        return InputError(
            f"{name} changes the answers of an API and takes no part in training, where protections meet; leave it out,"
            " and put it before the trained model"
        )
    if role == "ownership":
        return InputError(
            f"{name} marks a model so that it can be claimed; `stealproof protect {name}` trains with it and keeps the"
            " claim"
        )
    if role:
        return InputError(f"{name} is no protection but of the kind {role.replace('_', ' ')}; leave it out")
    known = [entry.name for entry in catalog.entries() if any(role in entry.roles for role in roles)]
    kinds = " or ".join(role.replace("_", " ") for role in roles)
    return UnknownName.among(kinds.replace("ownership", "ownership scheme"), name, known)
