"""Plots of an audit as SVG: fidelity against queries for each access, and what richer answers give away.

All take the curves as they stand in ``audit.json``. Colours come from CSS variables, so that one drawing serves
light and dark pages and print.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stealproof.reports._svg import (
    STYLE,
    Scale,
    log_ticks,
    look,
    marker,
    note,
    path,
    short,
    tag,
    text,
    theme,
)

Json = Mapping[str, Any]

WIDTH, HEIGHT = 440, 350
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 34, 62


def attack_order(curves: Sequence[Json]) -> list[str]:
    """The attacks in a fixed order, so that each has the same colour and marker in every panel."""
    return list(dict.fromkeys(curve["attack"] for curve in curves))


def fidelity_panel(document: Json, access: str) -> str:
    """One SVG: fidelity against queries of every attack under ``access``, with intervals, thresholds and references."""
    return tag(
        "svg",
        note("title", f"Fidelity against queries when clients see {access}"),
        note("desc", _in_words(document, access)),
        *_panel(document, access),
        class_="sp",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=_in_words(document, access),
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
    panels = [
        tag("g", *_panel(document, access), transform=f"translate({i * WIDTH} {head})")
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
    note = f"fidelity: share of held-out inputs on which copy and original agree; 95% intervals, {seeds} seeds"
    return tag(
        "svg",
        note("title", f"{title}: fidelity against queries"),
        note("desc", " ".join(_in_words(document, access) for access in accesses)),
        tag("style", theme("svg") + STYLE),
        tag("rect", width="100%", height="100%", fill="var(--paper)"),
        text(title, 20, 28, class_="strong", font_size=18),
        text(note, 20, 48, class_="small soft"),
        *panels,
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


def swatch(number: int | None) -> str:
    """A 36x16 sample of an attack's line and marker; None for the independent model."""
    if number is None:
        return tag("path", d="M2 8L34 8", class_="reference")
    colour, kind, dash = look(number)
    line = tag("path", d="M2 8L34 8", class_="curve", stroke=colour, stroke_dasharray=dash)
    return line + marker(kind, 18, 8, 4.5, fill=colour, class_="mark")


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
    x = Scale(low=low, high=1.0, start=14, end=WIDTH - 14)
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
    words = f"Fidelity {_in_percent(estimate)}; thresholds at {100 * warn:.0f}% and {100 * bad:.0f}%"
    return tag(
        "svg", note("title", words), *parts, class_="sp", viewBox=f"0 0 {WIDTH} 86", role="img", aria_label=words
    )


def _panel(document: Json, access: str) -> list[str]:
    curves = [curve for curve in document["curves"] if curve["access"] == access]
    order = attack_order(document["curves"])
    points = [point for curve in document["curves"] for point in curve["points"]]
    if not points:
        return [text("nothing was measured", WIDTH / 2, HEIGHT / 2, text_anchor="middle")]
    first, last = min(p["queries"] for p in points), max(p["queries"] for p in points)
    x = Scale(low=first / 1.15, high=max(last * 1.15, first * 1.5), start=LEFT, end=WIDTH - RIGHT, log=True)
    floor = min(0.7, *(p["fidelity"]["low"] for p in points))
    y = Scale(low=max(0.0, math.floor(floor * 10) / 10), high=1.0, start=HEIGHT - BOTTOM, end=TOP)
    declared = access == document["settings"]["access"]
    parts = _background(document, x, y)
    parts.append(text(access, LEFT, 20, class_="strong"))
    if declared:
        parts.append(text("what clients see today", WIDTH - RIGHT, 20, text_anchor="end", class_="small soft"))
    parts += _references(document, x, y)
    best = max(curves, key=lambda c: max(p["fidelity"]["value"] for p in c["points"]), default=None)
    for curve in sorted(curves, key=lambda curve: curve is best):
        parts += _curve(curve, order.index(curve["attack"]), x, y, best=curve is best)
    return parts


def _background(document: Json, x: Scale, y: Scale) -> list[str]:
    warn, bad = document["verdict"]["thresholds"]["partly"], document["verdict"]["thresholds"]["copied"]
    width = x.end - x.start
    parts = [
        tag("rect", x=x.start, y=y(1.0), width=width, height=y(bad) - y(1.0), class_="zone-bad"),
        tag("rect", x=x.start, y=y(bad), width=width, height=y(warn) - y(bad), class_="zone-warn"),
    ]
    step = 0.1 if y.high - y.low > 0.3 else 0.05
    for i in range(math.ceil(round(y.low / step, 6)), round(1 / step) + 1):
        value = i * step
        parts += [
            tag("line", x1=x.start, x2=x.end, y1=y(value), y2=y(value), class_="grid"),
            text(f"{100 * value:.0f}%", x.start - 7, y(value) + 4.5, text_anchor="end", class_="small soft"),
        ]
    price = document["settings"]["price_per_query"]
    for value in log_ticks(x.low, x.high):
        parts += [
            tag("line", x1=x(value), x2=x(value), y1=y.start, y2=y.start + 5, class_="axis"),
            text(short(value), x(value), y.start + 19, text_anchor="middle", class_="small soft"),
        ]
        if price:
            cost = value * price
            label = f"{cost:,.2f}" if cost < 100 else f"{cost:,.0f}"
            parts.append(text(label, x(value), y.start + 34, text_anchor="middle", class_="small soft"))
    parts.append(tag("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, class_="axis"))
    label = f"queries, and their cost at {price:g} each" if price else "queries"
    parts.append(text(label, (x.start + x.end) / 2, y.start + 53, text_anchor="middle", class_="small soft"))
    return parts


def _references(document: Json, x: Scale, y: Scale) -> list[str]:
    parts = []
    reference = [p for p in document["reference"] if "fidelity" in p]
    if reference:
        line = [(x(p["rows"]), y(p["fidelity"]["value"])) for p in reference]
        parts.append(tag("path", d=path(line if len(line) > 1 else [line[0], (x.end, line[0][1])]), class_="reference"))
    constant = document["target"].get("constant")
    if constant is not None and constant["value"] >= y.low:
        at = y(constant["value"])
        parts.append(tag("line", x1=x.start, x2=x.end, y1=at, y2=at, class_="constant"))
    return parts


def _curve(curve: Json, number: int, x: Scale, y: Scale, *, best: bool) -> list[str]:
    colour, kind, dash = look(number)
    points = curve["points"]
    line = [(x(p["queries"]), y(p["fidelity"]["value"])) for p in points]
    above = [(x(p["queries"]), y(p["fidelity"]["high"])) for p in points]
    below = [(x(p["queries"]), y(p["fidelity"]["low"])) for p in points]
    parts = []
    if best and len(points) > 1:
        parts.append(tag("path", d=path([*above, *reversed(below)]) + "Z", class_="band", fill=colour))
    else:
        parts += [
            tag("line", x1=top[0], x2=low[0], y1=top[1], y2=low[1], class_="bar", stroke=colour)
            for top, low in zip(above, below, strict=True)
        ]
    if len(points) > 1:
        style = "curve best" if best else "curve"
        parts.append(
            tag(
                "path",
                d=path(line),
                class_=style,
                stroke=colour,
                stroke_dasharray=None if best else dash,
            )
        )
    parts += [
        tag(
            "g",
            note("title", _point_in_words(curve, p)),
            marker(kind, *at, 5.5 if best else 4.5, fill=colour, class_="mark"),
        )
        for p, at in zip(points, line, strict=True)
    ]
    return parts


def _point_in_words(curve: Json, point: Json) -> str:
    name = curve["attack"].replace("_", " ")
    return f"{name}, {curve['access']}, {point['queries']:,.0f} queries: {_in_percent(point['fidelity'])}"


def _outwards(value: float) -> float:
    """``value`` rounded away from zero to steps of 0.02."""
    return math.copysign(math.ceil(abs(value) * 50 - 1e-9) / 50, value)


def _in_percent(estimate: Json) -> str:
    return f"{100 * estimate['value']:.1f}% ({100 * estimate['low']:.1f} to {100 * estimate['high']:.1f})"


def _in_points(estimate: Json) -> str:
    return f"{100 * estimate['value']:+.1f} points ({100 * estimate['low']:+.1f} to {100 * estimate['high']:+.1f})"


def _in_words(document: Json, access: str) -> str:
    """The panel for those who can't see it."""
    lines = [
        _point_in_words(curve, curve["points"][-1])
        for curve in document["curves"]
        if curve["access"] == access and curve["points"]
    ]
    return "Fidelity at the largest budget. " + "; ".join(lines) if lines else "Nothing was measured."


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
