"""The tables of the study of dataset inference, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from _inference_models import ADVERSARIAL, GRADIENT_IMAGES, IMAGES, INNOCENT, SETTINGS
from _inference_numbers import (
    CERTAIN,
    LEVEL,
    MEASURES,
    Json,
    Kind,
    blocks,
    effect,
    harmonic,
    images_needed,
    images_predicted,
    powers,
    runs,
    sides,
    tested,
)
from _measure import shown

from stealproof.measures.intervals import mean_over_seeds, proportion

WALKS = {"blind walk": IMAGES, "mingd": GRADIENT_IMAGES}
BLOCK = 100
"""Images a side of one of the disjoint tests of the innocent."""
LEVELS = (0.05, LEVEL)


def tables(document: Json) -> str:
    """All of them."""
    found = [_needed(document)]
    for setting in SETTINGS:
        found += [_suspects(document, setting)]
    return "\n\n".join([*found, _innocent(document), _cleaned(document), _as_released(document)])


def _table(head: str, rows: Sequence[Sequence[str]]) -> str:
    columns = [cell.strip() for cell in head.split("|")]
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _needed(document: Json) -> str:
    rows = []
    for setting in SETTINGS:
        found = runs(document, setting, "victim")
        for name, (walk, kind) in MEASURES.items():
            pairs = [sides(run["victim"], walk, kind) for _, run in found]
            effects = [effect(pair) for pair in pairs]
            enough = sorted(images_needed(shares) for shares in powers(document, setting, walk, kind))
            accused = sum(tested(pair).p_value <= LEVEL for pair in pairs)
            interval = mean_over_seeds(effects)
            rows.append(
                [
                    setting,
                    name,
                    shown(interval, 2),
                    f"{accused} of {len(pairs)} with {WALKS[walk]}",
                    ", ".join(_count(value) for value in enough),
                    f"{_count(images_predicted(interval.value))} ({_count(images_predicted(interval.high))} to"
                    f" {_count(images_predicted(interval.low))})",
                ]
            )
    head = (
        f"victim | measure | effect | p <= {LEVEL:g} | images a side, seed by seed, sorted | predicted from the effect"
    )
    return f"Images for p <= {LEVEL:g} in {CERTAIN:.0%} of draws\n\n{_table(head, rows)}"


def _suspects(document: Json, setting: str) -> str:
    rows = []
    for name in SETTINGS[setting].suspects:
        found = runs(document, setting, "victim", name)
        suspects = [run[name] for _, run in found]
        row = [name, *(_mean([s[key] for s in suspects]) for key in ("train_accuracy", "test_accuracy"))]
        for walk in WALKS:
            row.append(shown(mean_over_seeds([effect(sides(s, walk)) for s in suspects]), 2))
            kinds: tuple[Kind, ...] = ("score", "score on its own scale")
            for kind in kinds:
                p = [tested(sides(s, walk, kind)).p_value for s in suspects]
                row.append(f"{_accused(p, LEVEL)}; {min(p):.0e} to {max(p):.0e}")
        loss = [run["victim"]["test_accuracy"] - run[name]["test_accuracy"] for _, run in found]
        row.append(shown(mean_over_seeds(loss), 3) if name in ADVERSARIAL else "")
        rows.append(row)
    head = (
        "suspect | accuracy on the owner's rows | on test images | Blind Walk: effect | accused; p | on its own scale"
        " | MinGD: effect | accused; p | on its own scale | accuracy lost"
    )
    return f"Suspects, {setting}\n\n{_table(head, rows)}"


def _innocent(document: Json) -> str:
    rows = []
    for setting in SETTINGS:
        for name in (name for name in INNOCENT if name in SETTINGS[setting].suspects):
            found = runs(document, setting, name)
            tests: tuple[tuple[str, Kind, str], ...] = (
                ("blind walk", "score", "strangers"),
                ("blind walk", "score on its own scale", "strangers"),
                ("blind walk", "score", "official"),
                ("mingd", "score", "strangers"),
            )
            for walk, kind, strangers in tests:
                pairs = [sides(run[name], walk, kind, strangers) for _, run in found]
                p = [value for pair in pairs for value in blocks(pair, BLOCK)]
                whole = [tested(pair).p_value for pair in pairs]
                rows.append(
                    [
                        setting,
                        name,
                        f"{walk}, {kind}, {strangers}",
                        str(len(p)),
                        *(shown(proportion(int((np.array(p) <= level).sum()), len(p)), 3) for level in LEVELS),
                        f"{_accused(whole, 0.05)}, {_accused(whole, LEVEL)}; {min(whole):.3f}",
                    ]
                )
    head = (
        "setting | suspect | test | tests of 100 a side | p <= 0.05 | p <= 0.001 | all images: both levels; smallest p"
    )
    return f"The innocent\n\n{_table(head, rows)}"


def _cleaned(document: Json) -> str:
    """An owner who dropped from the members what a model of the other half misclassifies, but not from the others."""
    cleaner = "other half, other architecture"
    rows = []
    for name in ("other half", "other data"):
        found = runs(document, "overfitted", name, cleaner)
        for walk in WALKS:
            p, kept = [], []
            for _, run in found:
                members, strangers = sides(run[name], walk)
                clean = sides(run[cleaner], "blind walk", "wrong")[0][: len(members)] == 0
                p.append(tested((members[clean], strangers)).p_value)
                kept.append(float(clean.mean()))
            rows.append([name, walk, _mean(kept), _accused(p, LEVEL), f"{min(p):.0e} to {max(p):.0e}"])
    return f"Cleaned members\n\n{_table('suspect | walk | members kept | accused | p', rows)}"


def _as_released(document: Json) -> str:
    rows = []
    for setting in SETTINGS:
        for name in SETTINGS[setting].suspects:
            found = runs(document, setting, name)
            row = [setting, name]
            for layout in ("released", "by image"):
                p = [run[name][layout] for _, run in found]
                row.append(f"{_accused(p, 0.05)}, {_accused(p, LEVEL)}; {min(p):.0e} to {max(p):.0e}")
            p = [harmonic(sides(run[name], "blind walk"), seed) for seed, run in found]
            row.append(f"{_accused(p, 0.05)}, {_accused(p, LEVEL)}; {min(p):.0e} to {max(p):.0e}")
            rows.append(row)
    head = (
        "setting | suspect | released layout, MinGD | one row an image, the same"
        " | harmonic mean, 100 draws of 10, Blind Walk"
    )
    return f"As in the released code: accused at 0.05, at {LEVEL:g}; p\n\n{_table(head, rows)}"


def _accused(p: Sequence[float], level: float) -> str:
    return f"{sum(value <= level for value in p)} of {len(p)}"


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f}"


def _count(images: float) -> str:
    return f"{images:,.0f}" if np.isfinite(images) else "never"
