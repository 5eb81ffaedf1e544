"""Result cards as aligned text: one line a combination, and one line for each expectation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Card = Mapping[str, Any]
"""A result card in JSON types, as ``stealproof.studies.cards`` writes it."""

HOLDS = {True: "yes", False: "NO", None: "open"}
"""An expectation that the interval confirms, refutes, or leaves undecided."""


def cards_table(cards: Sequence[Card], measures: Sequence[str] = ()) -> str:
    """One line a card: its name, its seeds, and each measure as value and half-width or bounds of its interval.

    Args:
        cards: of one study.
        measures: which to show; empty for every one that some card has.
    """
    shown = list(measures) or sorted({measure for card in cards for measure in card["measures"]})
    header = ["combination", "seeds", *shown]
    rows = [
        [card["name"], str(len(card["seeds"])), *(_estimate(card["measures"].get(measure)) for measure in shown)]
        for card in cards
    ]
    return aligned([header, *rows])


def expectations_table(cards: Sequence[Card]) -> str:
    """One line an expectation: where, what was measured with its interval, what was expected, whether it holds."""
    rows = [["combination", "measure", "measured", "95% interval", "expected", "paper", "holds"]]
    for card in cards:
        for finding in card["expectations"]:
            measured, interval, paper = finding["measured"], finding["interval"], finding["paper"]
            rows.append(
                [
                    card["name"] + (f" minus {words(finding['minus'])}" if finding["minus"] else ""),
                    finding["measure"],
                    "not measured" if measured is None else f"{measured:.4g}",
                    "" if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}",
                    finding["expected"],
                    "" if paper is None else f"{paper:g}",
                    HOLDS[finding["holds"]],
                ]
            )
    return aligned(rows) if len(rows) > 1 else ""


def words(arguments: Mapping[str, Any]) -> str:
    """Arguments in a few words: the values alone, tables opened."""
    parts = [words(value) if isinstance(value, Mapping) else str(value) for value in arguments.values()]
    return " ".join(parts)


def tally(cards: Sequence[Card]) -> str:
    """How many expectations hold: ``7 hold, 1 open, 0 do not``."""
    verdicts = [finding["holds"] for card in cards for finding in card["expectations"]]
    counts = [sum(verdict is kind for verdict in verdicts) for kind in (True, None, False)]
    return f"{counts[0]} hold, {counts[1]} open, {counts[2]} do not"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to equal width, two spaces apart; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _estimate(fields: Mapping[str, Any] | None) -> str:
    if fields is None:
        return "-"
    value, low, high = fields["value"], fields["low"], fields["high"]
    return f"{value:.4g}" if low == high else f"{value:.4g} ({low:.4g} to {high:.4g})"
