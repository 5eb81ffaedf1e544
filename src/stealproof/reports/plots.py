"""Plots of an audit as SVG: fidelity against queries for each access, and what richer answers give away.

All take the curves as they stand in ``audit.json``. Colours come from CSS variables, so that one drawing serves
light and dark pages and print.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stealproof.reports._panels import HEIGHT, WIDTH, attack_order, in_percent, in_words, panel, swatch
from stealproof.reports._svg import STYLE, Scale, marker, note, tag, text, theme

Json = Mapping[str, Any]

RULER = 340
"""Width of the ruler, which has to be legible on a telephone."""


def fidelity_panel(document: Json, access: str) -> str:
    """One SVG: fidelity against queries of every attack under ``access``, with intervals, thresholds and references."""
    return tag(
        "svg",
        note("title", f"Fidelity against queries when clients see {access}"),
        note("desc", in_words(document, access)),
        *panel(document, access),
        class_="sp",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=in_words(document, access),
    )


def main_picture(document: Json) -> str:
    """A stand-alone SVG file: all accesses side by side, with a legend; follows the reader's colour scheme."""
    accesses = [a for a in document["settings"]["accesses"] if any(c["access"] == a for c in document["curves"])]
    order = attack_order(document["curves"])
    width, head = max(len(accesses), 1) * WIDTH, 58
    labels = [(name.replace("_", " "), swatch(i)) for i, name in enumerate(order)]
    if document["reference"]:
        labels.append(("own model, true labels, no queries", swatch(None)))
    labels += [("copied", _zone("bad")), ("partly copied", _zone("warn"))]
    rows = _wrapped([name for name, _ in labels], width - 40)
    height = head + HEIGHT + 26 * len(rows) + 14
    drawn = [
        tag("g", *panel(document, access), transform=f"translate({i * WIDTH} {head})")
        for i, access in enumerate(accesses)
    ]
    key: list[str] = []
    samples = iter(labels)
    for line, row in enumerate(rows):
        y = head + HEIGHT + 12 + 26 * line
        for x in row:
            name, sample = next(samples)
            key += [tag("g", sample, transform=f"translate({20 + x} {y - 8})"), text(name, 20 + x + 44, y + 5)]
    seeds = len(document["settings"]["seeds"])
    title = f"How well thieves copy {document['target']['name']}"
    subtitle = f"fidelity: share of held-out inputs on which copy and original agree; 95% intervals, {seeds} seeds"
    return tag(
        "svg",
        note("title", f"{title}: fidelity against queries"),
        note("desc", " ".join(in_words(document, access) for access in accesses)),
        tag("style", theme("svg") + STYLE),
        tag("rect", width="100%", height="100%", fill="var(--paper)"),
        text(title, 20, 28, class_="strong", font_size=18),
        text(subtitle, 20, 48, class_="small soft"),
        *drawn,
        *key,
        xmlns="http://www.w3.org/2000/svg",
        class_="sp",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
    )


def _zone(name: str) -> str:
    return tag("rect", x=2, y=2, width=32, height=13, class_=f"zone-{name}", style="opacity: .25")


def gap_plot(gaps: Sequence[Json]) -> str:
    """One SVG: the paired difference of fidelity between richer and poorer answers, budget by budget, then the mean."""
    rows = list(gaps)
    height = 54 + 30 * len(rows)
    low = min(-0.02, *(_outwards(g["difference"]["low"]) for g in rows))
    high = max(0.02, *(_outwards(g["difference"]["high"]) for g in rows))
    x = Scale(low=low, high=high, start=118, end=WIDTH - 20)
    parts = [
        tag("rect", x=x(0.0), y=8, width=x(high) - x(0.0), height=height - 46, class_="zone-bad"),
        tag("line", x1=x(0.0), x2=x(0.0), y1=8, y2=height - 38, class_="axis"),
    ]
    for i, gap in enumerate(rows):
        y = 24 + 30 * i
        mean = gap["budget"] is None
        name = "all budgets" if mean else f"{gap['budget']:,} queries"
        difference = gap["difference"]
        parts += [
            text(name, 108, y + 5, text_anchor="end", class_="strong" if mean else None),
            tag(
                "line",
                x1=x(difference["low"]),
                x2=x(difference["high"]),
                y1=y,
                y2=y,
                stroke="var(--c0)",
                stroke_width=3,
            ),
            marker("diamond" if mean else "circle", x(difference["value"]), y, 6, fill="var(--c0)", class_="mark"),
        ]
    for value in (low, 0.0, high / 2, high):
        label = "0" if value == 0 else f"{100 * value:+.3g}"
        parts.append(text(label, x(value), height - 20, text_anchor="middle", class_="small soft"))
    parts.append(
        text("points of fidelity that scores add", WIDTH - 20, height - 3, text_anchor="end", class_="small soft")
    )
    words = "; ".join(
        f"{'all budgets' if g['budget'] is None else str(g['budget']) + ' queries'}: {_in_points(g['difference'])}"
        for g in rows
    )
    return tag(
        "svg",
        note("title", "What scores give the best thief over labels"),
        note("desc", words),
        *parts,
        class_="sp",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=words,
    )


def ruler(estimate: Json, thresholds: Sequence[float], low: float = 0.5) -> str:
    """One SVG: an interval on a line from ``low`` to 1, over the zones that the thresholds make."""
    low = min(low, math.floor(estimate["low"] * 10) / 10)
    x = Scale(low=low, high=1.0, start=14, end=RULER - 14)
    warn, bad = sorted(thresholds)
    zones = [("good", "not copied", low, warn), ("warn", "partly", warn, bad), ("bad", "copied", bad, 1.0)]
    parts: list[str] = []
    for name, label, a, b in zones:
        if b > low:
            parts.append(tag("rect", x=x(a), y=24, width=x(b) - x(a), height=32, class_=f"zone-{name}"))
            parts.append(text(label, (x(a) + x(b)) / 2, 16, text_anchor="middle", class_="small soft"))
    for value in (low, warn, bad, 1.0):
        parts.append(tag("line", x1=x(value), x2=x(value), y1=24, y2=62, class_="axis"))
        parts.append(text(f"{100 * value:.0f}%", x(value), 78, text_anchor="middle", class_="small soft"))
    left, right, at = x(estimate["low"]), x(estimate["high"]), x(estimate["value"])
    parts += [
        tag("line", x1=left, x2=right, y1=40, y2=40, stroke="var(--ink)", stroke_width=3),
        *(tag("line", x1=end, x2=end, y1=34, y2=46, stroke="var(--ink)", stroke_width=3) for end in (left, right)),
        tag("circle", cx=at, cy=40, r=5.5, fill="var(--ink)", class_="mark"),
    ]
    words = f"Fidelity {in_percent(estimate)}; thresholds at {100 * warn:.0f}% and {100 * bad:.0f}%"
    return tag(
        "svg", note("title", words), *parts, class_="sp", viewBox=f"0 0 {RULER} 86", role="img", aria_label=words
    )


def _outwards(value: float) -> float:
    """``value`` rounded away from zero to steps of 0.02."""
    return math.copysign(math.ceil(abs(value) * 50 - 1e-9) / 50, value)


def _in_points(estimate: Json) -> str:
    return f"{100 * estimate['value']:+.1f} points ({100 * estimate['low']:+.1f} to {100 * estimate['high']:+.1f})"


def _wrapped(names: Sequence[str], width: float) -> list[list[float]]:
    """Offsets of legend entries, line by line; a character takes about 7.4 pixels."""
    rows: list[list[float]] = [[]]
    x = 0.0
    for name in names:
        length = 44 + 7.4 * len(name) + 22
        if rows[-1] and x + length > width:
            rows.append([])
            x = 0.0
        rows[-1].append(x)
        x += length
    return rows
