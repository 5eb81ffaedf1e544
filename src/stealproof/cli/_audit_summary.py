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
    console.print(fidelities(document))
    _bullets(console, "What was found", verdict["findings"])
    _bullets(console, "What to do", [f"{entry['do']} {entry['because']}" for entry in verdict["advice"]])
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
    console.print()
    console.print(Text(f"Not measured by this version: {later}", style="dim"))


def fidelities(document: Mapping[str, Any]) -> Table:
    """Attacks and accesses against budgets: mean fidelity in percent, with the interval's half-width."""
    budgets = sorted({point["budget"] for curve in document["curves"] for point in curve["points"]})
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, title_justify="left")
    table.title = "Fidelity (%) with at most this many queries"
    table.title_style = "bold"
    table.add_column("attack", no_wrap=True)
    table.add_column("clients see", no_wrap=True)
    for budget in budgets:
        table.add_column(f"{budget:,}", justify="right", no_wrap=True)
    for curve in document["curves"]:
        by_budget = {point["budget"]: point["fidelity"] for point in curve["points"]}
        table.add_row(curve["attack"].replace("_", " "), curve["access"], *(_cell(by_budget.get(b)) for b in budgets))
    if document["reference"]:
        by_budget = {point["rows"]: point["fidelity"] for point in document["reference"]}
        table.add_row("own model", "true labels", *(_cell(by_budget.get(b)) for b in budgets), style="dim")
    price = document["settings"]["price_per_query"]
    if price:
        table.add_row("cost", f"at {price:g} each", *(f"{budget * price:,.2f}" for budget in budgets), style="dim")
    return table


def _cell(fidelity: Mapping[str, Any] | None) -> str:
    if fidelity is None:
        return "-"
    return f"{100 * fidelity['value']:.1f} ±{50 * (fidelity['high'] - fidelity['low']):.0f}"


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
