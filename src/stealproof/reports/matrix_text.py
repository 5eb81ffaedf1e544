"""A matrix as aligned text: counts in the places, and every count's exact interval once, below."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from stealproof.measures.estimate import Estimate
from stealproof.reports.matrix import EXACT, Entry, Matrix, count, in_words, percents
from stealproof.reports.tables import aligned

Json = Mapping[str, Any]


def matrix_text(matrix: Matrix, width: int = 100) -> str:
    """Aligned text: the rows once for each group of columns, in blocks that fit into ``width`` characters."""
    blocks = []
    for group in matrix.groups:
        numbers = matrix.numbers(group)
        heads = [_heading(matrix.columns[i].label) for i in numbers]
        cells = [[_cell(row.entries[i]) for i in numbers] for row in matrix.rows]
        if matrix.table.once and group == matrix.groups[0]:
            heads.append([in_words(matrix.table.once)])
            for line, row in zip(cells, matrix.rows, strict=True):
                line.append(_points(row.once))
        if group == matrix.groups[0] and any(row.area is not None for row in matrix.rows):
            heads.append(["AUC"])
            for line, row in zip(cells, matrix.rows, strict=True):
                line.append(_area(row.area))
        blocks += _blocks(group, [row.label for row in matrix.rows], heads, cells, width)
    return "\n\n".join([*blocks, "\n".join(_legend(matrix))])


def matrix_markdown(matrix: Matrix) -> list[str]:
    """Lines of a Markdown table, turned on its side: a line for each suspect, a column for each scheme."""
    lines = [
        "| suspect | " + " | ".join(row.label for row in matrix.rows) + " |",
        "|---" * (len(matrix.rows) + 1) + "|",
    ]
    for group in matrix.groups:
        lines.append(f"| **{group}** |" + " |" * len(matrix.rows))
        for i in matrix.numbers(group):
            cells = " | ".join(_cell(row.entries[i]) for row in matrix.rows)
            lines.append(f"| {matrix.columns[i].label} | {cells} |")
    lines.append("| **price, points** | " + " | ".join(_points(row.once) for row in matrix.rows) + " |")
    lines.append("| **AUC** | " + " | ".join(_area(row.area) for row in matrix.rows) + " |")
    return [*lines, "", *(f"- {line}" for line in _sentences(matrix))]


def _blocks(group: str, labels: list[str], heads: list[list[str]], cells: list[list[str]], width: int) -> list[str]:
    first = max(map(len, [group, *labels]))
    sizes = [max(map(len, [*head, *(line[i] for line in cells)])) + 2 for i, head in enumerate(heads)]
    blocks, start = [], 0
    while start < len(heads):
        end = start + 1
        while end < len(heads) and first + sum(sizes[start : end + 1]) <= width:
            end += 1
        height = max(len(head) for head in heads[start:end])
        padded = [[""] * (height - len(head)) + head for head in heads[start:end]]
        lines = [["" if i < height - 1 else group, *(head[i] for head in padded)] for i in range(height)]
        lines += [[label, *line[start:end]] for label, line in zip(labels, cells, strict=True)]
        blocks.append(aligned(lines))
        start = end
    return blocks


def _legend(matrix: Matrix) -> list[str]:
    return [line for sentence in _sentences(matrix) for line in textwrap.wrap(sentence, 100)]


def _sentences(matrix: Matrix) -> list[str]:
    at = "" if matrix.level is None else f" at a false-accusation rate of {matrix.level:g}"
    table = matrix.table
    lines = [
        f"cells: {in_words(table.measure)}{at}" + (f", then {in_words(table.beside)} in points" * bool(table.beside))
    ]
    if table.once:
        lines.append(f"{in_words(table.once)}: in points, once for each row")
    if any(row.area is not None for row in matrix.rows):
        lines.append("AUC: area under the ROC curve, all copies against the single innocents, over suspects and seeds")
    entries = [entry for row in matrix.rows for entry in row.entries if entry is not None]
    if any(entry.doubt for entry in entries):
        lines.append(f"?: {in_words(table.doubt)} in some seeds")
    counted = {count(entry.estimate): entry.estimate for entry in entries if entry.estimate["method"] == EXACT}
    if counted:
        ordered = sorted(counted, key=lambda text: (counted[text]["n"], counted[text]["value"]))
        lines.append("95% intervals: " + ", ".join(f"{text} is {percents(counted[text])}" for text in ordered))
    return lines


def _heading(label: str) -> list[str]:
    return textwrap.wrap(label, 14, break_long_words=False) or [""]


def _cell(entry: Entry | None) -> str:
    if entry is None:
        return "-"
    doubt = "?" if entry.doubt else ""
    return count(entry.estimate) + doubt + (f" {_points(entry.beside)}" if entry.beside is not None else "")


def _area(area: Estimate | None) -> str:
    return "-" if area is None else f"{area.value:.2f} ({area.low:.2f} to {area.high:.2f})"


def _points(estimate: Json | None) -> str:
    return "-" if estimate is None else f"{100 * estimate['value'] + 0.0:+.1f}"
