"""Drawing SVG by hand: escaped elements, scales and round ticks. Small files that follow the reader's colour scheme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b2509a", "#946c00", "#6a3fc4", "#c23b22", "#5f6b7a")
"""After Okabe and Ito (2008): told apart by readers with any colour vision; darkened where white paper needs it."""
COLOURS_ON_DARK = ("#56b4e9", "#ff9a5c", "#3ecfa0", "#e69ccb", "#e6c34d", "#b79bff", "#ff8f7a", "#b4c0cc")

MARKERS = ("circle", "square", "triangle", "diamond", "down", "left", "right")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "5 2", "1 4", "12 3", "3 2")
"""Lines differ by marker and dash as well as by colour."""

STYLE = """
.sp { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.sp text { fill: var(--ink); }
.sp .soft { fill: var(--soft); }
.sp .small { font-size: 12.5px; }
.sp .strong { font-weight: 650; }
.sp .grid { stroke: var(--line); stroke-width: 1; }
.sp .axis { stroke: var(--soft); stroke-width: 1; }
.sp .zone-bad { fill: var(--bad); opacity: .10; }
.sp .zone-warn { fill: var(--warn); opacity: .10; }
.sp .zone-good { fill: var(--good); opacity: .08; }
.sp .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.sp .best { stroke-width: 3.2; }
.sp .bar { stroke-width: 1.4; opacity: .75; }
.sp .band { opacity: .16; stroke: none; }
.sp .reference { stroke: var(--soft); stroke-width: 2; stroke-dasharray: 3 4; fill: none; }
.sp .constant { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 1 4; }
.sp .mark { stroke: var(--paper); stroke-width: 1; }
"""


def theme(selector: str = ":root", *, media: bool = True) -> str:
    """The colours as CSS variables, light and (with ``media``) dark."""
    light = {
        "paper": "#ffffff",
        "ink": "#16202b",
        "soft": "#586675",
        "line": "#dde3e9",
        "bad": "#c0392b",
        "warn": "#a86b00",
        "good": "#1d7f52",
    }
    dark = {
        "paper": "#12181f",
        "ink": "#e8edf2",
        "soft": "#9fb0c0",
        "line": "#2c3742",
        "bad": "#ff8a7a",
        "warn": "#f2be5c",
        "good": "#5fd39b",
    }
    light |= {f"c{i}": colour for i, colour in enumerate(COLOURS)}
    dark |= {f"c{i}": colour for i, colour in enumerate(COLOURS_ON_DARK)}

    def block(values: dict[str, str]) -> str:
        return f"{selector} {{ {' '.join(f'--{name}: {value};' for name, value in values.items())} }}"

    css = block(light)
    if media:
        css += f"\n@media screen and (prefers-color-scheme: dark) {{ {block(dark)} }}"
    return css


def look(number: int) -> tuple[str, str, str | None]:
    """Colour, marker and dash of the ``number``-th curve."""
    dash = DASHES[number % len(DASHES)]
    return f"var(--c{number % len(COLOURS)})", MARKERS[number % len(MARKERS)], dash or None


def tag(name: str, *children: str, **attributes: object) -> str:
    """An element around children that are markup already.

    Attribute names write ``_`` for ``-`` and ``class_`` for ``class``; numbers are rounded.
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{words}>{''.join(children)}</{name}>" if children else f"<{name}{words}/>"


def note(name: str, content: str) -> str:
    """A ``title`` or ``desc``: words for those who can't see the drawing."""
    return tag(name, escape(content, quote=False))


def text(content: str, x: float, y: float, **attributes: object) -> str:
    """A line of text at a point."""
    return tag("text", escape(content, quote=False), x=x, y=y, **attributes)


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From values to pixels, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of ``value``; values outside are drawn at the edge."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        place = math.log(max(value, self.low)) if self.log else value
        share = 0.5 if high == low else (place - low) / (high - low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def log_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between ``low`` and ``high`` (both above 0), at most ``most`` of them, for a logarithmic axis."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [
            step * 10.0**power
            for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for step in steps
            if low <= step * 10.0**power <= high
        ]
        if 2 <= len(ticks) <= most:
            return ticks
    return [low, high] if high > low else [low]


def short(number: float) -> str:
    """A count as an axis writes it: ``450``, ``2k``, ``1.5M``."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def path(points: Sequence[tuple[float, float]]) -> str:
    """The ``d`` of a polyline."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def marker(kind: str, x: float, y: float, size: float, **attributes: object) -> str:
    """A mark of one of ``MARKERS`` around a point."""
    if kind == "circle":
        return tag("circle", cx=x, cy=y, r=size, **attributes)
    if kind == "square":
        return tag("rect", x=x - size * 0.9, y=y - size * 0.9, width=size * 1.8, height=size * 1.8, **attributes)
    corners = {
        "triangle": [(0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
        "down": [(0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
        "left": [(-1.2, 0), (0.8, 1.1), (0.8, -1.1)],
        "right": [(1.2, 0), (-0.8, 1.1), (-0.8, -1.1)],
        "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    }[kind]
    return tag("path", d=path([(x + dx * size, y + dy * size) for dx, dy in corners]) + "Z", **attributes)
