"""An audit on a terminal, in 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLES = {"exact copy": "bold red", "copied": "bold red", "partly copied": "bold yellow", "not copied": "bold green"}


def print_summary(document: Mapping[str, Any]) -> None:
    """Verdict, fidelity by budget, findings, advice and controls, to standard output."""
    console = Console(highlight=False)
    if console.width > 100 or not console.is_terminal:
        console.width = min(console.width, 100) if console.is_terminal else 80
    target, verdict = document["target"], document["verdict"]
    console.print(Text(f"{target['name']}: {target['kind']}", style="bold"))
    console.print(
        f"{target['data']}, {target['classes']} classes; clients see {document['settings']['access']}", end=""
    )
    console.print(_accuracy(target))
    console.print()
    console.print(Text(verdict["level"].upper(), style=STYLES.get(verdict["level"], "bold")))
    console.print(Text(verdict["headline"]))
    console.print()
    console.print(thefts(document))
    _bullets(console, "What was found", verdict["findings"])
    _bullets(console, "What to do", [f"{entry['do']} {entry['because']}" for entry in verdict["advice"]])
    _bullets(console, "Could you prove a theft?", document["ownership"]["findings"])
    _bullets(console, "Could somebody frame you?", document["framing"]["findings"])
    _bullets(console, "Do the defenses get along?", document["conflicts"]["findings"])
    _bullets(
        console,
        "Controls",
        [
            f"{control['name']}, {control['status']}. {control['why']}"
            for control in document["controls"]
            if control["status"] != "not assessed"
        ],
    )
    later = " ".join(q["question"] for q in document["questions"] if not q["answered"])
    if later:
        console.print()
        console.print(Text(f"Not measured: {later}", style="dim"))


def thefts(document: Mapping[str, Any]) -> Table:
    """For every attack and access: its best copy, what that cost, and the fewest queries that gave a good one."""
    settings = document["settings"]
    good = document["verdict"]["thresholds"]["copied"]
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, title_justify="left", title_style="bold")
    table.title = "The best copy of each attack"
    for name in ("attack", "clients see"):
        table.add_column(name, no_wrap=True)
    for name in (
        "fidelity %",
        "queries",
        *(["cost"] if settings["price_per_query"] else []),
        f"{100 * good:.0f}% from",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for curve in document["curves"]:
        points = curve["points"]
        best = max(points, key=lambda point: (point["fidelity"]["value"], -point["queries"]))
        enough = [point["queries"] for point in points if point["fidelity"]["low"] >= good]
        cost = [f"{best['cost']:,.2f}"] if settings["price_per_query"] else []
        cells = [_cell(best["fidelity"]), f"{best['queries']:,.0f}", *cost, f"{min(enough):,.0f}" if enough else "-"]
        table.add_row(curve["attack"].replace("_", " "), curve["access"], *cells)
    if document["reference"]:
        own = document["reference"][-1]
        labels = f"{own['rows']:,} true labels"
        table.add_row("a model of one's own", labels, _cell(own["fidelity"]), "none", style="dim")
    return table


def _cell(fidelity: Mapping[str, Any]) -> str:
    return f"{100 * fidelity['value']:.1f} ±{50 * (fidelity['high'] - fidelity['low']):.1f}"


def _accuracy(target: Mapping[str, Any]) -> str:
    accuracy = target["accuracy"]
    if accuracy is None:
        return ""
    return f"; accuracy {100 * accuracy['value']:.1f}% ({100 * accuracy['low']:.1f} to {100 * accuracy['high']:.1f})"


def _bullets(console: Console, title: str, lines: list[str]) -> None:
    if not lines:
        return
    console.print()
    console.print(Text(title, style="bold"))
    for line in lines:
        console.print(Text(textwrap.fill(line, console.width, initial_indent=" - ", subsequent_indent="   ")))
