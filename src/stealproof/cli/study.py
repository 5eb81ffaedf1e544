"""``stealproof study``: run a TOML file of experiments, see how far it is, print its results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stealproof.cli._options import KEPT, if_interrupted, json_option, print_json, progress_bar, say

if TYPE_CHECKING:
    from stealproof.studies.run import Outcome
    from stealproof.studies.study import Study

seeds_option = click.option("--seeds", type=click.IntRange(min=1), help="Seeds 0 to N-1 instead of the study's own.")
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes, one thread each.  [default: as many as cores]"
)
fresh_option = click.option("--fresh", is_flag=True, help="Compute again what is stored.")
html_option = click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw a study of ownership schemes or of conflicts as one HTML page.",
)


@click.group("study")
def command() -> None:
    """Run experiments over many combinations and seeds; finished cells are kept, and a second run goes on.

    STUDY is a .toml file or the name of one that comes with stealproof (`stealproof reproduce` lists them).
    """


@command.command("run")
@click.argument("study")
@seeds_option
@workers_option
@fresh_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the cards to this JSON file.")
@html_option
@json_option
@click.pass_context
def run(
    context: click.Context,
    study: str,
    seeds: int | None,
    workers: int | None,
    fresh: bool,
    out: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Compute what is not stored yet, and print the result cards."""
    outcome = compute(opened(study, seeds, html), workers=workers, fresh=fresh)
    cards = [card.as_dict() for card in outcome.cards]
    if out is not None:
        from stealproof.studies.cards import write_cards

        write_cards(out, cards)
    show(outcome.study, cards, as_json=as_json, html=html)
    context.exit(1 if outcome.failures else 0)


@command.command("status")
@click.argument("study")
@seeds_option
@json_option
def status(study: str, seeds: int | None, as_json: bool) -> None:
    """How many cells are stored, and which combinations still need some."""
    from stealproof.studies.cards import distinguished
    from stealproof.studies.run import load
    from stealproof.studies.store import Store

    opened_study, store = opened(study, seeds), Store()
    cells = opened_study.cells()
    missing = [cell for cell in cells if load(cell, store) is None]
    if as_json:
        print_json(
            {
                "study": opened_study.name,
                "cells": len(cells),
                "stored": len(cells) - len(missing),
                "missing": [{"arguments": dict(cell.arguments), "seed": cell.seed} for cell in missing],
            }
        )
        return
    click.echo(f"{opened_study.name}: {len(cells) - len(missing)} of {len(cells)} cells are stored in {store.folder}")
    for name, arguments in zip(distinguished(opened_study.combinations), opened_study.combinations, strict=True):
        lacking = [str(cell.seed) for cell in missing if cell.arguments == arguments]
        if lacking:
            click.echo(f"  missing: {name}: seeds {', '.join(lacking)}")


@command.command("table")
@click.argument("study")
@seeds_option
@click.option("-m", "--measure", "measures", multiple=True, help="Show this measure only. Repeatable.")
@html_option
@json_option
def table(study: str, seeds: int | None, measures: tuple[str, ...], html: Path | None, as_json: bool) -> None:
    """Print the stored results without computing anything."""
    from stealproof.studies.cards import make_cards
    from stealproof.studies.run import load
    from stealproof.studies.store import Store

    opened_study, store = opened(study, seeds, html), Store()
    found = [load(cell, store) for cell in opened_study.cells()]
    cards = [card.as_dict() for card in make_cards(opened_study, [result for result in found if result is not None])]
    show(opened_study, cards, as_json=as_json, measures=measures, html=html)


def opened(spec: str, seeds: int | None, html: Path | None = None) -> Study:
    """The study that ``spec`` names, with so many seeds where a number is given; it can be drawn if ``html`` is."""
    from stealproof.studies.library import find

    study = find(spec)
    check_page(study, html)
    return study if seeds is None else study.seeded(seeds)


def compute(study: Study, *, workers: int | None, fresh: bool) -> Outcome:
    """Run ``study`` with progress on stderr; failures are told there, too."""
    from stealproof.studies.executor import cores, local
    from stealproof.studies.run import run_study

    executor = local(workers or cores(), len(study.combinations) * len(study.seeds))
    if_interrupted(KEPT)
    with progress_bar() as progress:
        outcome = run_study(study, executor=executor, progress=progress, fresh=fresh)
    told: set[str] = set()
    for failure in outcome.failures:
        say(f"failed: {failure.cell}: {failure.reason}")
        if failure.trace and failure.reason not in told:
            say(failure.trace)
        told.add(failure.reason)
    total = len(study.combinations) * len(study.seeds)
    say(
        f"{study.name}: {outcome.computed} cells computed, {len(outcome.results) - outcome.computed} were stored,"
        f" {len(outcome.failures)} of {total} failed"
    )
    return outcome


def check_page(study: Study, html: Path | None) -> None:
    """Refuse a page that could not be written, before anything is computed."""
    from stealproof.errors import InputError, StorageError

    if html is None:
        return
    if study.criterion is None and (study.table is None or study.table.columns != "suspect"):
        raise InputError(
            f"--html draws schemes against suspects or protections against each other, but {study.name} has neither a"
            " [table] of suspects nor a [criterion]; drop it"
        )
    if not html.absolute().parent.is_dir():
        raise StorageError(f"could not write {html}: {html.absolute().parent} is not a folder")


def show(
    study: Study,
    cards: list[dict[str, Any]],
    *,
    as_json: bool,
    measures: tuple[str, ...] = (),
    html: Path | None = None,
) -> None:
    """Print cards: JSON, or a table of the measures and one of the expectations; with ``html``, draw them as well.

    A study with a criterion also says which protections conflict; its JSON has ``cards`` and ``conflicts``.
    """
    from stealproof.reports.tables import cards_table, expectations_table, tally

    conflicts: dict[str, Any] | None = None
    if study.criterion is not None:
        from stealproof.studies.conflicts import conflict_report

        conflicts = conflict_report(study, cards)
    if html is not None and cards:
        from stealproof.files import write_atomic

        write_atomic(html, _page(study, cards, conflicts).encode())
        say(f"wrote {html}")
    if as_json:
        print_json(cards if conflicts is None else {"cards": cards, "conflicts": conflicts})
        return
    if not cards:
        click.echo(f"{study.name}: nothing is stored yet; run: stealproof study run {study.name}")
        return
    if study.table is None or measures:
        click.echo(cards_table(cards, measures or study.show))
    else:
        from stealproof.reports.matrix import make_matrix
        from stealproof.reports.matrix_text import matrix_text

        click.echo(matrix_text(make_matrix(cards, study.table)))
    if conflicts is not None:
        from stealproof.reports.conflicts_text import conflicts_text

        click.echo(f"\n{conflicts_text(conflicts)}")
    if study.expectations:
        click.echo(f"\n{expectations_table(cards)}\n\nexpectations: {tally(cards)}")


def _page(study: Study, cards: list[dict[str, Any]], conflicts: dict[str, Any] | None) -> str:
    if conflicts is not None:
        from stealproof.reports.conflicts_page import conflicts_page

        return conflicts_page(conflicts)
    from stealproof.reports.matrix_page import matrix_page

    return matrix_page(study, cards)
