"""The plot of dataset inference as SVG: how often the innocent are accused under which layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stealproof.reports._svg import STYLE, Scale, look, marker, note, tag, text, theme

Json = Mapping[str, Any]
WIDTH = 860


def draw(document: Json, folder: Path) -> None:
    """Write the plot of a document that holds both parts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset-inference-layouts.svg").write_text(layouts(document) + "\n")


def layouts(document: Json) -> str:
    """False accusations at 0.05 of both layouts, as intervals on one scale."""
    x = Scale(low=0.0, high=1.0, start=330, end=WIDTH - 30)
    parts: list[str] = []
    words = []
    y = 92
    for part, title in (("simulated", "simulated distances"), ("null", "perceptrons on FashionMNIST")):
        for layout, number in (("released", 1), ("by image", 0)):
            for who in ("victim", "suspect"):
                rate = document[part][f"{layout}, {who}"]["0.05"]
                colour, kind, _ = look(number)
                name = f"{title}: {layout.replace('by image', 'one row an image')}, {who}"
                parts += [
                    text(name, 318, y + 5, text_anchor="end", class_="small"),
                    tag("line", x1=x(rate["low"]), x2=x(rate["high"]), y1=y, y2=y, stroke=colour, stroke_width=3),
                    marker(kind, x(rate["value"]), y, 6, fill=colour, class_="mark"),
                ]
                words.append(f"{name}: {rate['value']:.2f} ({rate['low']:.2f} to {rate['high']:.2f})")
                y += 28
        y += 14
    bottom = y - 14
    grid = []
    for value in (0.0, 0.05, 0.25, 0.5, 0.75, 1.0):
        grid += [
            tag("line", x1=x(value), x2=x(value), y1=74, y2=bottom, class_="reference" if value == 0.05 else "grid"),
            text(f"{value:g}", x(value), bottom + 18, text_anchor="middle", class_="small soft"),
        ]
    subtitle = (
        "share of tests with p at most 0.05, nobody's data on either side; dotted: what was promised; 95% intervals"
    )
    return picture("How often dataset inference accuses the innocent", subtitle, words, [*grid, *parts], bottom + 34)


def picture(title: str, subtitle: str, words: Sequence[str], parts: Sequence[str], height: int) -> str:
    """A drawing under its title, with ``words`` for those who can't see it."""
    return tag(
        "svg",
        note("title", title),
        note("desc", "; ".join(words)),
        tag("style", theme("svg") + STYLE),
        tag("rect", width="100%", height="100%", fill="var(--paper)"),
        text(title, 20, 30, class_="strong", font_size=18),
        text(subtitle, 20, 52, class_="small soft"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        class_="sp",
        viewBox=f"0 0 {WIDTH} {height}",
        width=WIDTH,
        height=height,
        role="img",
    )
