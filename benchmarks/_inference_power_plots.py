"""The plots of dataset inference as SVG: how many images it takes, and how large the effect is for which suspect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _inference_models import SETTINGS
from _inference_numbers import LEVEL, MEASURES, Json, effect, powers, runs, sides
from _inference_plots import WIDTH, picture

from stealproof.reports._svg import Scale, look, marker, path, tag, text

HEIGHT = 400


def draw_power(document: Json, folder: Path) -> None:
    """Write both plots."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset-inference-images.svg").write_text(_images(document) + "\n")
    (folder / "dataset-inference-suspects.svg").write_text(_suspects(document) + "\n")


def _images(document: Json) -> str:
    """Share of draws that reach the level against the number of images a side, for the victims."""
    x = Scale(low=10.0, high=1000.0, start=60, end=WIDTH - 290, log=True)
    y = Scale(low=0.0, high=1.0, start=HEIGHT - 50, end=80)
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [
            tag("line", x1=x.start, x2=x.end, y1=y(value), y2=y(value), class_="grid"),
            text(f"{value:g}", x.start - 8, y(value) + 4.5, text_anchor="end", class_="small soft"),
        ]
    for size in (10, 20, 50, 100, 200, 500, 1000):
        parts.append(text(f"{size:,}", x(size), y.start + 20, text_anchor="middle", class_="small soft"))
    parts.append(text("images a side", (x.start + x.end) / 2, y.start + 40, text_anchor="middle", class_="small soft"))
    words = []
    number = 0
    for setting in SETTINGS:
        for measure, (walk, kind) in MEASURES.items():
            shares = powers(document, setting, walk, kind)
            points = {size: float(np.mean([share[size] for share in shares])) for size in shares[0]}
            colour, kind_of_mark, dash = look(number)
            line = [(x(size), y(share)) for size, share in points.items()]
            parts.append(tag("path", d=path(line), class_="curve", stroke=colour, stroke_dasharray=dash))
            parts += [marker(kind_of_mark, *point, 4, fill=colour, class_="mark") for point in line]
            name = f"{setting}: {measure}"
            at = 96 + 26 * number
            parts += [
                marker(kind_of_mark, x.end + 24, at - 4, 5, fill=colour, class_="mark"),
                text(name, x.end + 38, at, class_="small"),
            ]
            words.append(f"{name}: " + ", ".join(f"{share:.2f} with {size}" for size, share in points.items()))
            number += 1
    subtitle = f"the victim itself: share of random draws with p at most {LEVEL:g}, mean of {len(shares)} seeds"
    return picture("How many images dataset inference needs", subtitle, words, parts, HEIGHT)


def _suspects(document: Json) -> str:
    """Effects of every suspect, one mark a seed."""
    x = Scale(low=-0.4, high=1.0, start=330, end=WIDTH - 30)
    parts: list[str] = []
    words = []
    at = 96
    for setting in SETTINGS:
        for name in SETTINGS[setting].suspects:
            found = runs(document, setting, name)
            label = f"{setting}: {name}"
            parts.append(text(label, 318, at + 5, text_anchor="end", class_="small"))
            for number, (measure, (walk, kind)) in enumerate(list(MEASURES.items())[:2]):
                effects = [effect(sides(run[name], walk, kind)) for _, run in found]
                colour, kind_of_mark, _ = look(number)
                row = at - 5 + 10 * number
                parts += [marker(kind_of_mark, x(value), row, 4, fill=colour, class_="mark") for value in effects]
                words.append(f"{label}, {measure}: {', '.join(f'{value:.2f}' for value in effects)}")
            at += 28
        at += 12
    grid = []
    for value in (-0.25, 0.0, 0.25, 0.5, 0.75, 1.0):
        grid += [
            tag("line", x1=x(value), x2=x(value), y1=78, y2=at - 16, class_="reference" if value == 0 else "grid"),
            text(f"{value:g}", x(value), at + 2, text_anchor="middle", class_="small soft"),
        ]
    legend = []
    for number, measure in enumerate(list(MEASURES)[:2]):
        colour, kind_of_mark, _ = look(number)
        legend += [
            marker(kind_of_mark, WIDTH - 230 + 120 * number, 26, 5, fill=colour, class_="mark"),
            text(measure, WIDTH - 216 + 120 * number, 31, class_="small"),
        ]
    subtitle = "mean score of non-members minus that of members, in standard deviations, one mark a seed"
    return picture("What dataset inference finds in whom", subtitle, words, [*grid, *parts, *legend], at + 20)
