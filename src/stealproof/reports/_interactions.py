"""Measured interactions in words and places: who stands in which row, how large a loss is, how a number reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stealproof import catalog
from stealproof.errors import InputError
from stealproof.inputs.systems import parse_systems

Json = Mapping[str, Any]

TONES = {"conflict": "bad", "undecided": "warn", "fine": "good"}
"""Colour of a verdict; the words say it as well."""
NAMES = {"auc": "AUC", "log10_p": "log10 of p", "detected": "proof"}
"""Parts of measures that read badly as they are."""


def in_words(protection: str) -> str:
    """``dp sgd (epsilon 3)`` of ``dp_sgd(epsilon=3)``."""
    try:
        parsed = parse_systems(protection)
    except InputError:
        return protection.replace("_", " ")
    parts = []
    for name, parameters in parsed:
        given = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in parameters.items())
        parts.append(name.replace("_", " ") + (f" ({given})" if given else ""))
    return " + ".join(parts)


def measure_in_words(outcome: Json) -> str:
    """``accuracy``, ``effect of adi2018``, ``robust accuracy of pgd training``, for one line of a pair."""
    where, _, name = str(outcome["measure"]).rpartition(".")
    words = NAMES.get(name, name.replace("_", " "))
    whose = str(outcome["of"])
    if not whose:
        return words
    # A scheme's own measures carry its name already.
    against = f" ({in_words(where)})" if where and not whose.startswith(where) else ""
    return f"{words} of {plain_name(whose)}{against}"


def short_measure(outcome: Json) -> str:
    """``robust accuracy``: without whose it is, where row and column tell that."""
    name = str(outcome["measure"]).rpartition(".")[2]
    return NAMES.get(name, name.replace("_", " "))


def limit_in_words(measure: str) -> str:
    """The measure of a limit: ``robust accuracy (evasion)``, ``proof``, ``AUC``."""
    where, _, name = measure.rpartition(".")
    words = NAMES.get(name, name.replace("_", " "))
    return f"{words} ({where.replace('_', ' ')})" if where else words


def short_number(value: float) -> str:
    """Two digits behind the point, for places without room: ``0.97``."""
    return (f"{value:.2f}" if abs(value) < 100 else f"{value:.3g}").replace("-", "\N{MINUS SIGN}")


def reason(interaction: Json) -> str:
    """The sentence of a pair without its beginning, which says who and the verdict."""
    lead = f"{interaction['one']} with {interaction['other']}: {interaction['verdict']}: "
    words = str(interaction["sentence"]).removeprefix(lead)
    return words[:1].upper() + words[1:]


def plain_name(protection: str) -> str:
    """``dp sgd`` of ``dp_sgd(epsilon=3)``: without parameters, where they stand elsewhere."""
    return in_words(protection.partition("(")[0])


def parameters(protection: str) -> str:
    """``epsilon 3`` of ``dp_sgd(epsilon=3)``; empty without any."""
    return in_words(protection).removeprefix(plain_name(protection)).strip(" ()")


def number(value: float) -> str:
    """Three significant digits at most: ``0.973``, ``-12.4``."""
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.3g}"
    text = text.rstrip("0").rstrip(".") if "." in text and abs(value) >= 10 else text
    return text.replace("-", "\N{MINUS SIGN}")


def interval(estimate: Json) -> str:
    """``0.951 to 0.982``; a bound that is not known is said to be."""
    low, high = ("unknown" if estimate[end] is None else number(estimate[end]) for end in ("low", "high"))
    return "unknown" if low == high == "unknown" else f"{low} to {high}"


def harm(outcome: Json) -> tuple[float, float, float]:
    """The loss of one outcome with its interval, in units of what is tolerated: above 1 is too much.

    Where nothing is tolerated, in units of the value alone, or as it is when that is 0. A bound that is not known is
    infinite.
    """
    loss = outcome["difference"]
    allowed = outcome["tolerated"] or abs(outcome["alone"]["value"]) or 1.0
    low = -math.inf if loss["low"] is None else loss["low"] / allowed
    high = math.inf if loss["high"] is None else loss["high"] / allowed
    return loss["value"] / allowed, low, high


def decisive(interaction: Json) -> Json | None:
    """The outcome that decides a pair: among those with the pair's verdict the one with the largest loss."""
    mine = [outcome for outcome in interaction["outcomes"] if outcome["verdict"] == interaction["verdict"]]
    return max(mine or interaction["outcomes"], key=lambda outcome: harm(outcome)[0], default=None)


def role_of(protection: str) -> str:
    """``ownership``, another role of the catalog, or nothing for words that name no system."""
    try:
        name = parse_systems(protection)[0][0]
    except InputError:
        return ""
    found = next((entry.roles for entry in catalog.entries() if entry.name == name), ("",))
    return "ownership" if "ownership" in found else found[0]


def placed(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str], dict[tuple[str, str], int]]:
    """Rows, columns and which pair stands where: schemes make rows and defenses columns.

    Pairs of one kind join the same table: its first protection then is a row, its second a column. What is no system of
    the catalog, such as "all the others", makes the last column.
    """
    rows: dict[str, None] = {}
    columns: dict[str, None] = {}
    places: dict[tuple[str, str], int] = {}
    roles = [(role_of(one), role_of(other)) for one, other in pairs]
    order = {True: 0, False: 1}
    ranks = [2 if not (a and b) else order[(a == "ownership") != (b == "ownership")] for a, b in roles]
    # Pairs of a scheme and a defense first, so that the table is dense where it can be.
    for i in sorted(range(len(pairs)), key=ranks.__getitem__):
        row, column = pairs[i]
        swapped = roles[i][1] == "ownership" != roles[i][0] and ranks[i] == 0
        if swapped or (ranks[i] == 1 and row in columns and column in rows):
            row, column = column, row
        rows.setdefault(row)
        columns.setdefault(column)
        places[row, column] = i
    return list(rows), list(columns), places
