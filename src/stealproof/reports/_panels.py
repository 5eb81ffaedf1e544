"""One panel of a plot: fidelity against queries of every attack under one access."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stealproof.reports._svg import Scale, log_ticks, look, marker, note, path, short, tag, text

Json = Mapping[str, Any]

WIDTH, HEIGHT = 440, 350
LEFT, RIGHT, TOP, BOTTOM = 50, 14, 34, 62


def attack_order(curves: Sequence[Json]) -> list[str]:
    """The attacks in a fixed order, so that each has the same colour and marker in every panel."""
    return list(dict.fromkeys(curve["attack"] for curve in curves))


def swatch(number: int | None) -> str:
    """A 36x16 sample of an attack's line and marker; None for the independent model."""
    if number is None:
        return tag("path", d="M2 8L34 8", class_="reference")
    colour, kind, dash = look(number)
    line = tag("path", d="M2 8L34 8", class_="curve", stroke=colour, stroke_dasharray=dash)
    return line + marker(kind, 18, 8, 4.5, fill=colour, class_="mark")


def panel(document: Json, access: str) -> list[str]:
    """The elements of one panel, ``WIDTH`` by ``HEIGHT``; thresholds, references, then curves, the best one on top."""
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
    return f"{name}, {curve['access']}, {point['queries']:,.0f} queries: {in_percent(point['fidelity'])}"


def in_percent(estimate: Json) -> str:
    return f"{100 * estimate['value']:.1f}% ({100 * estimate['low']:.1f} to {100 * estimate['high']:.1f})"


def in_words(document: Json, access: str) -> str:
    """The panel for those who can't see it."""
    lines = [
        _point_in_words(curve, curve["points"][-1])
        for curve in document["curves"]
        if curve["access"] == access and curve["points"]
    ]
    return "Fidelity at the largest budget. " + "; ".join(lines) if lines else "Nothing was measured."
