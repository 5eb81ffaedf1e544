"""One self-contained HTML page from the cards of a study of ownership schemes: the table first, then every p-value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from stealproof import catalog
from stealproof.errors import InputError
from stealproof.reports._strips import Strip, panel, reach, single
from stealproof.reports._svg import STYLE, theme
from stealproof.reports._templates import template
from stealproof.reports.matrix import (
    INNOCENT,
    SUSPECTS,
    Entry,
    Matrix,
    Row,
    argument,
    count,
    judged,
    make_matrix,
    percents,
)
from stealproof.studies.study import Study, thawed

Json = Mapping[str, Any]

DEAR = 0.05
"""A suspect who gave up more accuracy than this has paid for its escape; such losses are set in bold."""


def matrix_page(study: Study, cards: Sequence[Json]) -> str:
    """The page as one HTML text: styles and drawings inside, nothing loaded from anywhere.

    Args:
        study: with a table whose columns are suspects.
        cards: of this study, in JSON types.

    Raises:
        InputError: the study has no such table, or nothing was measured yet.
    """
    if study.table is None or study.table.columns != "suspect":
        raise InputError(f"{study.name} has no table of suspects to draw; add [table] with columns = 'suspect'")
    matrix = make_matrix(cards, study.table)
    form = template("matrix.html.j2", points=_points, price=_price, count=count, percents=percents)
    most = reach([value for row in matrix.rows for entry in row.entries if entry for value in _dots(entry)])
    revisions = sorted({part for card in cards if card["revision"] for part in card["revision"].split(", ")})
    return form.render(
        study=study,
        matrix=matrix,
        groups=[(group, SUSPECTS[group], matrix.numbers(group)) for group in matrix.groups],
        rows=[_row(matrix, number, most) for number in range(len(matrix.rows))],
        data=" and ".join(dict.fromkeys(str(argument(card, "data")) for card in cards)).replace("_", " "),
        level=matrix.level,
        dear=DEAR,
        versions=cards[0]["versions"],
        revisions=revisions,
        cpu_hours=sum(card["cpu_seconds"] for card in cards) / 3600,
        css=Markup(theme() + STYLE),
    )


def _row(matrix: Matrix, number: int, most: float) -> dict[str, Any]:
    """What the template shows of one scheme."""
    row = matrix.rows[number]
    places = [_place(matrix, row, i, most) for i in range(len(matrix.columns))]
    tally = {
        group: (sum(place["tone"] == "good" for place in found), len(found))
        for group in matrix.groups
        if (found := [places[i] for i in matrix.numbers(group) if places[i]["word"]])
    }
    return {
        "row": row,
        "anchor": f"scheme-{number}",
        "facts": _facts(row, matrix.table.rows),
        "places": places,
        "tally": tally,
        "queries": _median_queries(row),
        "strips": _panel(matrix, row, most),
    }


def _place(matrix: Matrix, row: Row, i: int, most: float) -> dict[str, Any]:
    """One place of the heat map: colour, words and what hovering tells."""
    column, entry = matrix.columns[i], row.entries[i]
    if entry is None:
        return {"tone": "none", "word": "", "entry": None}
    innocent = column.group == INNOCENT
    tone, word = judged(entry, matrix.level, innocent=innocent)
    rate = entry.estimate["value"]
    strip = Strip(label=column.label, values=_dots(entry), innocent=innocent)
    return {
        "tone": tone,
        "word": word,
        "entry": entry,
        # The rate colours copies; of the innocent a few in a hundred are too many, so that the judgement does.
        "right": (0 if tone == "bad" else 100) if innocent else round(100 * rate),
        "loss": None if entry.beside is None else entry.beside["value"],
        "column": column,
        "strip": Markup(single(strip, matrix.level, most)) if strip.values and matrix.level else None,
        "values": [_p(value) for value in sorted(strip.values)],
    }


def _dots(entry: Entry) -> tuple[float, ...]:
    """One p-value for each verdict; nothing where a seed has many of them: the smallest of many is no evidence."""
    return entry.spread if len(entry.spread) == entry.estimate["n"] else ()


def _panel(matrix: Matrix, row: Row, most: float) -> Markup | None:
    strips = [
        Strip(label=column.label, values=_dots(entry), innocent=column.group == INNOCENT)
        for column, entry in zip(matrix.columns, row.entries, strict=True)
        if entry is not None and _dots(entry)
    ]
    if not strips or matrix.level is None:
        return None
    words = f"{row.label}, p-values: " + "; ".join(f"{s.label} {', '.join(map(_p, s.values))}" for s in strips)
    return Markup(panel(strips, matrix.level, most, words))


def _facts(row: Row, names: Sequence[str]) -> dict[str, Any]:
    """What the catalog says of a scheme; little of one that is not installed here."""
    if row.name not in catalog.names("ownership"):
        return {"summary": "", "null": "", "exact": None, "caveat": "", "cited": "", "url": ""}
    given = dict(zip(names, row.arguments, strict=True)).get("scheme_parameters") or {}
    scheme = catalog.make(row.name, "ownership", **thawed(given))
    source = catalog.find(row.name, "ownership").source
    return {
        "summary": catalog.find(row.name, "ownership").summary,
        "null": scheme.null,
        "exact": scheme.exact,
        "caveat": scheme.caveat,
        "cited": f"{source['authors']}, {source['venue']} {source['year']}" if source else "",
        "url": source.get("url", ""),
    }


def _median_queries(row: Row) -> float | None:
    asked = sorted(e.card["measures"]["queries"]["value"] for e in row.entries if e and "queries" in e.card["measures"])
    return asked[len(asked) // 2] if asked else None


def _points(value: float) -> str:
    """A difference of fractions, in points, zero without a sign: ``+2.1``."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "\N{MINUS SIGN}")


def _price(value: float) -> str:
    """What something costs, in points: ``2.1``; below zero where it gains."""
    return _points(value).removeprefix("+")


def _p(log10: float) -> str:
    """A p-value from its common logarithm: ``0.23``, ``2e-12``."""
    return f"{10**log10:.2g}"
