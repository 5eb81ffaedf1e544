"""Drawings of interactions: what a pair lost against what is tolerated, and verdicts against scaled limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stealproof.reports._interactions import harm, in_words, measure_in_words, number, plain_name
from stealproof.reports._svg import Scale, note, tag, text

Json = Mapping[str, Any]

WIDTH, LABELS, RIGHT = 600, 258, 18
TOP, LINE, BOTTOM = 24, 26, 42
LEAST, MOST = -1.0, 5.0
"""Losses, in units of the limit, that a drawing shows; what lies beyond is drawn at the edge with an arrow."""


def losses(interaction: Json) -> str:
    """One SVG: a line for each outcome, its loss with the interval, and the limit at 1."""
    outcomes = interaction["outcomes"]
    height = TOP + LINE * len(outcomes) + BOTTOM
    found = [harm(outcome) for outcome in outcomes]
    # Always room for no loss and for twice the limit; more only where something lies there.
    low = max(LEAST, min(-0.5, *(low for _, low, _ in found)))
    high = min(MOST, max(2.0, *(high for _, _, high in found)))
    x = Scale(low=low, high=high, start=LABELS, end=WIDTH - RIGHT)
    base = TOP + LINE * len(outcomes)
    parts = [
        tag("rect", x=x.start, y=TOP - 6, width=x(1.0) - x.start, height=base - TOP + 6, class_="zone-good"),
        tag("rect", x=x(1.0), y=TOP - 6, width=x.end - x(1.0), height=base - TOP + 6, class_="zone-bad"),
        text("tolerated", x(1.0) - 6, TOP - 10, text_anchor="end", class_="small soft"),
        text("too much", x(1.0) + 6, TOP - 10, class_="small soft"),
        tag("line", x1=x(0.0), x2=x(0.0), y1=TOP - 6, y2=base, class_="axis"),
    ]
    for i, (outcome, values) in enumerate(zip(outcomes, found, strict=True)):
        parts += _line(outcome, values, x, TOP + LINE * i + LINE / 2)
    parts.append(tag("line", x1=x(1.0), x2=x(1.0), y1=TOP - 6, y2=base, class_="limit"))
    for tick in _ticks(low, high):
        parts += [
            tag("line", x1=x(tick), x2=x(tick), y1=base, y2=base + 5, class_="axis"),
            text(_times(tick), x(tick), base + 18, text_anchor="middle", class_="small soft"),
        ]
    parts += [
        tag("line", x1=x.start, x2=x.end, y1=base, y2=base, class_="axis"),
        text("loss, in multiples of the limit", x.end, base + 35, text_anchor="end", class_="small soft"),
    ]
    words = "; ".join(
        f"{measure_in_words(outcome)}: {_times(value)} ({_times(low)} to {_times(high)}) of what is tolerated,"
        f" {outcome['verdict']}"
        for outcome, (value, low, high) in zip(outcomes, found, strict=True)
    )
    return tag(
        "svg", note("title", words), *parts, class_="sp", viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=words
    )


def _line(outcome: Json, values: tuple[float, float, float], x: Scale, y: float) -> list[str]:
    value, low, high = values
    tone = outcome["verdict"]
    label = measure_in_words(outcome)
    parts = [
        tag("line", x1=x.start, x2=x.end, y1=y, y2=y, class_="grid"),
        _label(label, y),
        tag("line", x1=x(low), x2=x(high), y1=y, y2=y, class_=f"span {tone}"),
    ]
    for end, sign in ((low, -1), (high, 1)):
        at = x(end)
        if x.low <= end <= x.high:
            parts.append(tag("line", x1=at, x2=at, y1=y - 5, y2=y + 5, class_=f"span {tone}"))
        else:
            tip = f"M{at - sign * 7:.1f} {y - 5:.1f}L{at:.1f} {y:.1f}L{at - sign * 7:.1f} {y + 5:.1f}"
            parts.append(tag("path", d=tip, class_=f"span {tone}"))
    if x.low <= value <= x.high:
        parts.append(tag("circle", cx=x(value), cy=y, r=4.5, class_=f"dot-{tone}"))
    return parts


def sensitivity_plot(lines: Sequence[Json]) -> str:
    """One SVG: for each pair, its verdict as all limits are multiplied by the same factor, and where it flips.

    Args:
        lines: as ``stealproof.interactions.sensitivity.Sensitivity.as_dict`` gives them, the same factors in all.
    """
    factors = lines[0]["factors"]
    height = TOP + LINE * len(lines) + BOTTOM
    x = Scale(low=factors[0], high=factors[-1], start=LABELS, end=WIDTH - RIGHT, log=True)
    base = TOP + LINE * len(lines)
    bars: list[str] = []
    names: list[str] = []
    for i, (line, label) in enumerate(zip(lines, _labels(lines), strict=True)):
        y = TOP + LINE * i
        names.append(_label(label, y + LINE / 2))
        for verdict, start, end in _runs(line):
            if end <= factors[0] or start >= factors[-1]:
                continue
            left, right = x(max(start, factors[0])), x(min(end, factors[-1]))
            words = f"{label}: {verdict}{_range(start, end, factors)}"
            bar = tag(
                "rect", x=left + 1, y=y + 2, width=max(right - left - 2, 1.0), height=LINE - 4, class_=f"run {verdict}"
            )
            bars.append(tag("g", note("title", words), bar))
            # A word where there is room for it, else its first letter, else what hovering tells.
            word = verdict if right - left > 8.2 * len(verdict) else verdict[0].upper() if right - left > 11 else ""
            if word:
                names.append(text(word, (left + right) / 2, y + LINE / 2 + 4.5, text_anchor="middle", class_="small"))
    parts = [*bars]
    if factors[0] <= 1 <= factors[-1]:
        parts += [
            tag("line", x1=x(1.0), x2=x(1.0), y1=TOP - 6, y2=base, class_="limit"),
            text("as stated", x(1.0), TOP - 10, text_anchor="middle", class_="small soft"),
        ]
    parts += names
    for tick in (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0):
        if factors[0] <= tick <= factors[-1]:
            parts += [
                tag("line", x1=x(tick), x2=x(tick), y1=base, y2=base + 5, class_="axis"),
                text(_times(tick), x(tick), base + 18, text_anchor="middle", class_="small soft"),
            ]
    parts += [
        tag("line", x1=x.start, x2=x.end, y1=base, y2=base, class_="axis"),
        text("all limits multiplied by", x.end, base + 35, text_anchor="end", class_="small soft"),
    ]
    words = "; ".join(
        f"{in_words(line['one'])} with {in_words(line['other'])}: "
        + ", ".join(f"{verdict}{_range(start, end, factors)}" for verdict, start, end in _runs(line))
        for line in lines
    )
    return tag(
        "svg", note("title", words), *parts, class_="sp", viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=words
    )


def _runs(line: Json) -> list[tuple[str, float, float]]:
    """The verdicts of one pair from strict to generous limits, each with the factors between which it holds."""
    conflict_below, fine_from = line["conflict_below"], line["fine_from"]
    if conflict_below is None:
        conflict_below = math.inf if line["verdicts"][-1] == "conflict" else 0.0
    if fine_from is None:
        fine_from = 0.0 if line["verdicts"][0] == "fine" else math.inf
    ends = [0.0, max(conflict_below, 0.0), max(fine_from, 0.0), math.inf]
    runs = zip(("conflict", "undecided", "fine"), ends, ends[1:], strict=False)
    return [(verdict, start, end) for verdict, start, end in runs if end > start]


def _range(start: float, end: float, factors: Sequence[float]) -> str:
    """`` with limits up to 1.2 times as wide``; empty where nothing of the drawing is another verdict."""
    if start <= factors[0] and end >= factors[-1]:
        return " throughout"
    low = "" if start <= factors[0] else f" from {start:.2g}"
    high = "" if end >= factors[-1] else f" up to {end:.2g}"
    return f" with limits{low}{high} times as wide"


def _labels(lines: Sequence[Json]) -> list[str]:
    """Who with whom, without parameters where that is clear enough."""
    short = [f"{plain_name(line['one'])} with {plain_name(line['other'])}" for line in lines]
    full = [f"{in_words(line['one'])} with {in_words(line['other'])}" for line in lines]
    return [brief if short.count(brief) == 1 else whole for brief, whole in zip(short, full, strict=True)]


def _label(label: str, y: float) -> str:
    return tag(
        "g",
        note("title", label),
        text(shortened(label), LABELS - 10, y + 4.5, text_anchor="end", class_="small"),
    )


def _ticks(low: float, high: float) -> list[float]:
    step = 0.5 if high - low <= 3 else 1.0
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _times(value: float) -> str:
    """A multiple: ``1.5`` and the multiplication sign."""
    digits = number(value) if abs(value) >= 10 else f"{value:.2g}".replace("-", "\N{MINUS SIGN}")
    return f"{digits}\N{MULTIPLICATION SIGN}"


def shortened(label: str, most: int = 40) -> str:
    """``label``, cut where a drawing has no room for more."""
    return label if len(label) <= most else label[: most - 1].rstrip() + "…"
