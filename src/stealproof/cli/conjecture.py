"""``stealproof conjecture``: two protections, or a protection and a risk, judged without training anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from stealproof import catalog
from stealproof.cli._options import json_option, print_json
from stealproof.errors import InputError

if TYPE_CHECKING:
    from stealproof.interactions.conjecture import Conjecture
    from stealproof.interactions.guideline import Reading

STUDY = "conflicts"
"""The study whose recorded interactions stand beside a conjecture."""
SIGNS = {1: "+", -1: "-"}


@click.command("conjecture")
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@json_option
def command(one: str, other: str, as_json: bool) -> None:
    """What to expect of A and B together, before anything is trained.

    A and B are two protections (training defenses, guards, ownership schemes), or a protection and a risk.
    `stealproof list` shows all names.

    Two protections are judged by when they act and what they change, a protection and a risk by the causes of
    overfitting that they have in common. Neither is a measurement.
    """
    from stealproof.interactions.conjecture import conjecture
    from stealproof.interactions.stages import ROLES

    first, second = (catalog.find(_name(text)) for text in (one, other))
    if first.name == second.name:
        raise InputError(f"{first.name} can't be compared with itself; name two different systems")
    risks = [entry for entry in (first, second) if "risk" in entry.roles]
    if len(risks) == 2:
        raise InputError(f"{first.name} and {second.name} are both risks; name at least one protection")
    for entry in (first, second):
        if not {*ROLES, "risk"} & set(entry.roles):
            raise InputError(
                f"{entry.name} is of the role {entry.roles[0].replace('_', ' ')};"
                " name training defenses, guards, ownership schemes, or one risk"
            )
    if risks:
        _against_risk(*sorted((first, second), key=lambda entry: entry in risks), as_json=as_json)
        return
    found, measured = conjecture(first.name, second.name), list(_measured(first.name, second.name))
    if as_json:
        print_json(found.as_dict() | {"measured": measured})
        return
    _tell(found, measured)


def _tell(found: Conjecture, measured: list[dict[str, Any]]) -> None:
    for act in (found.one, found.other):
        click.echo(f"{act.words}.")
    click.echo(f"Conjecture: {found.guess}: {found.reason}.")
    for record in measured:
        click.echo(f"Measured:   on {record['data']}, {record['sentence']}")
    if not measured:
        pair = f"{found.one.name},{found.other.name}"
        click.echo(f"Measured:   not recorded; `stealproof conflicts DATA --with {pair}` measures it.")


def _against_risk(defense: catalog.Entry, risk: catalog.Entry, *, as_json: bool) -> None:
    from stealproof.interactions.guideline import defense_kind, read, risk_kind

    kinds = defense_kind(defense.name), risk_kind(risk.name)
    unknown = [entry.name for entry, kind in zip((defense, risk), kinds, strict=True) if kind is None]
    reading = None if kinds[0] is None or kinds[1] is None else read(kinds[0], kinds[1])
    if as_json:
        names = {"one": defense.name, "other": risk.name}
        print_json(names | (reading.as_dict() if reading else {"conclusion": None, "unknown": unknown}))
        return
    if reading is None:
        click.echo(f"No factors are known of {' and '.join(unknown)}, so that nothing can be said before measuring.")
        return
    _tell_factors(defense.name, risk.name, reading)


def _tell_factors(defense: str, risk: str, reading: Reading) -> None:
    from stealproof.interactions.factors import FACTORS, INTENDED, active

    click.echo(f"{defense} ({reading.defense}) and {risk} ({reading.risk})")
    for shared in reading.common:
        kind = "active " if active(shared.factor) else "passive"
        click.echo(
            f"  {shared.factor:<4} {kind} defense {SIGNS[shared.defense]} risk {SIGNS[shared.risk]}"
            f"  the risk {shared.says:<5}  ({FACTORS[shared.factor]})"
        )
    said = f"the risk {reading.conclusion}" if reading.conclusion else "undecided"
    click.echo(f"Conjecture: {said}: {reading.reason}.")
    table = f"the risk {reading.published}" if reading.published else "nobody has looked"
    exception = f", but {reading.exception}" if reading.exception else ""
    purpose = " (it is what the defense is for)" if (reading.defense, reading.risk) in INTENDED else ""
    click.echo(f"Published:  {table}{exception}{purpose}.")


def _name(text: str) -> str:
    """The name of one system; its parameters do not matter here."""
    from stealproof.inputs.systems import parse_systems

    parsed = parse_systems(text)
    if len(parsed) != 1:
        raise InputError(f"expected one name, got {len(parsed)} in {text!r}; give them as two arguments")
    return parsed[0][0]


def _measured(one: str, other: str) -> Iterator[dict[str, Any]]:
    """What the recorded study says of two protections, whatever their parameters, without the details."""
    from stealproof.studies import library
    from stealproof.studies.cards import read_cards
    from stealproof.studies.conflicts import pairs

    path = library.recorded(STUDY)
    if not path.is_file():
        return
    for pair in pairs(library.shipped(STUDY), read_cards(path))[0]:
        if pair.systems == {one, other}:
            found = pair.interaction
            names = {"one": found.one, "other": found.other, "data": pair.data}
            yield names | {"verdict": found.verdict, "sentence": found.sentence()}
