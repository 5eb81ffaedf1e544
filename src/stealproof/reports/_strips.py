"""Strips: the p-value of every seed as a dot, from no evidence on the left to strong evidence on the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stealproof.reports._svg import Scale, note, tag, text

WIDTH, LABELS, RIGHT = 440, 190, 16
TOP, LINE, BOTTOM = 26, 21, 40
EXPONENTS = (0, 2, 5, 10, 20, 50, 100, 200, 300)
"""Ticks: minus the common logarithm of p."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One suspect."""

    label: str
    values: tuple[float, ...]
    """Common logarithm of p, one for each seed."""
    innocent: bool


def evidence(value: float) -> float:
    """Where log10 p stands: the root of its size, so that the neighbourhood of a level and p = 1e-100 both show."""
    return math.sqrt(max(0.0, -value))


def reach(values: Sequence[float]) -> float:
    """The strongest evidence that all strips of a page need room for, at least that of p = 1e-5."""
    return max(math.sqrt(5), *map(evidence, values)) if values else math.sqrt(5)


def panel(strips: Sequence[Strip], level: float, most: float, words: str) -> str:
    """One SVG with a line for each suspect, the level marked, and a scale."""
    height = TOP + LINE * len(strips) + BOTTOM
    x = Scale(low=0.0, high=most, start=LABELS, end=WIDTH - RIGHT)
    base = height - BOTTOM
    at = x(evidence(math.log10(level)))
    parts = [
        tag("rect", x=at, y=TOP - 8, width=x.end - at, height=base - TOP + 8, class_="zone-called"),
        text(f"called a copy: p at most {level:g}", at + 4, TOP - 13, class_="small soft"),
    ]
    for i, strip in enumerate(strips):
        y = TOP + LINE * i + LINE / 2
        parts += [
            tag("line", x1=x.start, x2=x.end, y1=y, y2=y, class_="grid"),
            tag(
                "g",
                note("title", strip.label),
                text(_short(strip.label), LABELS - 10, y + 4.5, text_anchor="end", class_="small"),
            ),
            *_dots(strip, level, x, y),
        ]
    parts.append(tag("line", x1=at, x2=at, y1=TOP - 8, y2=base, class_="level"))
    last = -math.inf
    for exponent in EXPONENTS:
        place = x(math.sqrt(exponent))
        if math.sqrt(exponent) <= most and place - last >= 34:
            last = place
            label = "1" if exponent == 0 else f"1e-{exponent}"
            parts += [
                tag("line", x1=place, x2=place, y1=base, y2=base + 5, class_="axis"),
                text(label, place, base + 18, text_anchor="middle", class_="small soft"),
            ]
    parts += [
        tag("line", x1=x.start, x2=x.end, y1=base, y2=base, class_="axis"),
        text("p-value; stronger evidence to the right", x.end, base + 34, text_anchor="end", class_="small soft"),
    ]
    return tag(
        "svg", note("title", words), *parts, class_="sp", viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=words
    )


def single(strip: Strip, level: float, most: float) -> str:
    """One suspect's strip without labels, for a place where the words stand beside it."""
    x = Scale(low=0.0, high=most, start=8, end=252)
    at = x(evidence(math.log10(level)))
    return tag(
        "svg",
        tag("rect", x=at, y=2, width=x.end - at, height=20, class_="zone-called"),
        tag("line", x1=x.start, x2=x.end, y1=12, y2=12, class_="grid"),
        *_dots(strip, level, x, 12.0),
        tag("line", x1=at, x2=at, y1=2, y2=22, class_="level"),
        class_="sp",
        viewBox="0 0 260 24",
        aria_hidden="true",
    )


def _dots(strip: Strip, level: float, x: Scale, y: float) -> list[str]:
    """Equal values are drawn a little apart, so that five dots look like five."""
    middle = (len(strip.values) - 1) / 2
    step = 2.2 if len(strip.values) <= 5 else 10 / len(strip.values)
    dots = []
    for i, value in enumerate(strip.values):
        called = 10**value <= level
        kind = ("wrong" if strip.innocent else "right") if called else "silent"
        dots.append(tag("circle", cx=x(evidence(value)), cy=y + (i - middle) * step, r=3.6, class_=f"dot-{kind}"))
    return dots


def _short(label: str, most: int = 29) -> str:
    return label if len(label) <= most else label[: most - 1].rstrip() + "…"
