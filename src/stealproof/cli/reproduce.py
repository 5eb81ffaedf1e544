"""``stealproof reproduce``: the papers' experiments on small data, our numbers beside theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stealproof.cli._options import json_option, print_json
from stealproof.cli.study import (
    check_page,
    compute,
    fresh_option,
    html_option,
    opened,
    seeds_option,
    show,
    workers_option,
)


@click.command("reproduce")
@click.argument("name", required=False)
@click.option("--recorded", is_flag=True, help="Print the cards that come with stealproof; compute nothing.")
@seeds_option
@workers_option
@fresh_option
@html_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    name: str | None,
    recorded: bool,
    seeds: int | None,
    workers: int | None,
    fresh: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """Run the study NAME of a paper and compare; without NAME, list the studies and what is on record."""
    from stealproof.studies import library
    from stealproof.studies.cards import read_cards

    if name is None:
        _list(as_json)
        return
    if recorded:
        study = library.shipped(name)
        check_page(study, html)
        show(study, read_cards(library.recorded(name)), as_json=as_json, html=html)
        return
    outcome = compute(opened(name, seeds, html), workers=workers, fresh=fresh)
    show(outcome.study, [card.as_dict() for card in outcome.cards], as_json=as_json, html=html)
    context.exit(1 if outcome.failures else 0)


def _list(as_json: bool) -> None:
    """The shipped studies, from their files alone, with the state of their recorded cards."""
    from stealproof.reports.tables import aligned
    from stealproof.studies import library

    found = [_described(name) for name in library.names()]
    if as_json:
        print_json(found)
        return
    rows = [["name", "recorded", "title"]]
    for study in found:
        rows.append([study["name"], study["recorded"] or "not yet", study["title"]])
    click.echo(aligned(rows))


def _described(name: str) -> dict[str, Any]:
    import tomllib

    from stealproof.reports.tables import tally
    from stealproof.studies import library
    from stealproof.studies.cards import read_cards

    content = tomllib.loads((library.studies_folder() / f"{name}.toml").read_text(encoding="utf-8"))
    path = library.recorded(name)
    return {
        "name": name,
        "title": content.get("title", ""),
        "paper": content.get("paper"),
        "recorded": tally(read_cards(path)) if path.is_file() else None,
    }
