"""``stealproof list``: every system that is installed, by role."""

from __future__ import annotations

from itertools import groupby

import click

from stealproof import catalog
from stealproof.cli._options import json_option, print_json
from stealproof.errors import UnknownName


@click.command("list")
@click.argument("role", required=False)
@json_option
def command(role: str | None, as_json: bool) -> None:
    """List the systems (of one ROLE): attacks, defenses, ownership schemes, risks, data sets, models."""
    if role is not None:
        role = role.replace("-", "_")
        if role not in catalog.ROLES:
            raise UnknownName.among("role", role, catalog.ROLES)
    found = [entry for entry in catalog.entries() if role is None or role in entry.roles]
    if as_json:
        print_json(
            [
                {"name": e.name, "role": e.roles[0], "summary": e.summary, "source": dict(e.source) or None}
                for e in found
            ]
        )
        return
    width = max((len(entry.name) for entry in found), default=0)
    for name, group in groupby(found, key=lambda entry: entry.roles[0]):
        click.echo(f"{name.replace('_', ' ')}")
        for entry in group:
            year = f" ({entry.source['year']})" if "year" in entry.source else ""
            click.echo(f"  {entry.name:<{width}}  {entry.summary}{year}")
