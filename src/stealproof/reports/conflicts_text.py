"""Measured interactions on a terminal: a table of all pairs, a sentence for each, and what each lost."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from stealproof.reports._interactions import in_words, interval, measure_in_words, number, placed
from stealproof.reports.tables import aligned

Json = Mapping[str, Any]

HEADINGS = ("measure", "alone", "together", "loss", "tolerated", "verdict")


def conflicts_text(report: Json, width: int = 100) -> str:
    """Aligned text of a report as ``conflicts_page`` takes it: for each data set verdicts, sentences and losses."""
    blocks = []
    for panel in report["panels"]:
        seeds = len(panel["seeds"])
        blocks.append(f"{panel['data']}, {seeds} {'seed' if seeds == 1 else 'seeds'}")
        if overview := _overview(panel):
            blocks.append(overview)
        blocks.append("\n".join(_sentences(panel, width)))
        blocks += [_pair(interaction) for interaction in panel["interactions"]]
    return "\n\n".join(block for block in blocks if block)


def _overview(panel: Json) -> str:
    """Verdicts only, rows against columns; empty for a single pair, whose own table says it all."""
    pairs = [(i["one"], i["other"]) for i in panel["interactions"]] + [
        (e["one"], e["other"]) for e in panel.get("excluded", ())
    ]
    if len(pairs) < 2:
        return ""
    words = [i["verdict"] for i in panel["interactions"]] + ["excluded"] * len(panel.get("excluded", ()))
    rows, columns, places = placed(pairs)
    lines = [["", *(in_words(column) for column in columns)]]
    for row in rows:
        found = [places.get((row, column)) for column in columns]
        lines.append([in_words(row), *("-" if i is None else words[i] for i in found)])
    return aligned(lines)


def _pair(interaction: Json) -> str:
    lines = [list(HEADINGS)]
    for outcome in interaction["outcomes"]:
        difference = outcome["difference"]
        lines.append(
            [
                measure_in_words(outcome),
                number(outcome["alone"]["value"]),
                number(outcome["together"]["value"]),
                f"{number(difference['value'])} ({interval(difference)})",
                number(outcome["tolerated"]),
                outcome["verdict"],
            ]
        )
    return f"{in_words(interaction['one'])} with {in_words(interaction['other'])}\n{aligned(lines)}"


def _sentences(panel: Json, width: int) -> list[str]:
    lines: list[str] = []
    for interaction in panel["interactions"]:
        lines += _bullet(interaction["sentence"], width)
        if interaction.get("conjecture"):
            lines += _bullet(f"conjectured: {interaction['conjecture']['sentence']}", width, lead="  ")
    for entry in panel.get("excluded", ()):
        lines += _bullet(
            f"{in_words(entry['one'])} and {in_words(entry['other'])} can't be deployed together: {entry['why']}", width
        )
    for entry in panel.get("failed", ()):
        lines += _bullet(f"not measured: {entry['name']}: {entry['why']}", width)
    return lines


def _bullet(sentence: str, width: int, lead: str = "") -> Sequence[str]:
    return textwrap.wrap(sentence, width, initial_indent=f"{lead}- ", subsequent_indent=f"{lead}  ")
