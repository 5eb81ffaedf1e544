"""One self-contained HTML page of measured interactions: a heat map, a card for each place, and how firm it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from stealproof.reports._interactions import (
    TONES,
    decisive,
    harm,
    in_words,
    interval,
    limit_in_words,
    measure_in_words,
    number,
    parameters,
    placed,
    plain_name,
    reason,
    short_measure,
    short_number,
)
from stealproof.reports._losses import losses, sensitivity_plot
from stealproof.reports._svg import STYLE, theme
from stealproof.reports._templates import template

Json = Mapping[str, Any]

STRONGEST = 4.0
"""From this many times the limit on, a place has the full colour of a conflict."""


def conflicts_page(report: Json) -> str:
    """The page as one HTML text: styles and drawings inside, nothing loaded from anywhere, no scripts.

    Args:
        report: in JSON types. ``title``; ``criterion``, the limits; ``panels``, one for each data set, each with
            ``data``, ``seeds``, ``interactions`` (as ``Interaction.as_dict`` gives them, optionally with
            ``conjecture``, ``cards`` by ``one``, ``other`` and ``together``, and the ``command`` that measures again),
            ``excluded`` and ``failed``; ``sensitivity``, lines of verdicts by factor; ``versions`` and ``revision``.
    """
    form = template(
        "conflicts.html.j2",
        words=in_words,
        plain_name=plain_name,
        parameters=parameters,
        measure=measure_in_words,
        number=number,
        limit=limit_in_words,
        short=short_measure,
        short_number=short_number,
        reason=reason,
        interval=interval,
    )
    panels = [_panel(panel, number) for number, panel in enumerate(report["panels"])]
    pairs = [place for panel in panels for place in panel["cards"]]
    tally = {verdict: sum(place["pair"]["verdict"] == verdict for place in pairs) for verdict in TONES}
    lines = report.get("sensitivity") or []
    return form.render(
        title=report["title"],
        panels=panels,
        tally=tally,
        tones=TONES,
        limits=report["criterion"],
        sensitivity=[
            (data, Markup(sensitivity_plot([line for line in lines if line["data"] == data])))
            for data in dict.fromkeys(line["data"] for line in lines)
        ],
        versions=report.get("versions") or {},
        revision=report.get("revision"),
        cpu_hours=report.get("cpu_seconds", 0.0) / 3600,
        command=report.get("command", ""),
        css=Markup(theme() + STYLE),
    )


def _panel(panel: Json, number: int) -> dict[str, Any]:
    interactions, excluded = panel["interactions"], panel.get("excluded", [])
    rows, columns, places = placed([(pair["one"], pair["other"]) for pair in (*interactions, *excluded)])
    cards = [_card(pair, f"pair-{number}-{i}") for i, pair in enumerate(interactions)]
    shown = [*cards, *({"excluded": entry} for entry in excluded)]

    def place(row: str, column: str) -> dict[str, Any] | None:
        found = places.get((row, column))
        return None if found is None else shown[found]

    return {
        "panel": panel,
        "rows": rows,
        "columns": columns,
        "places": [[place(row, column) for column in columns] for row in rows],
        "cards": cards,
        "excluded": excluded,
        "failed": panel.get("failed", []),
    }


def _card(pair: Json, anchor: str) -> dict[str, Any]:
    """What the template shows of one pair."""
    worst = decisive(pair)
    strength = 0.0 if worst is None else harm(worst)[0]
    cards: Json = pair.get("cards") or {}
    return {
        "excluded": None,
        "pair": pair,
        "anchor": anchor,
        "tone": TONES[pair["verdict"]],
        "worst": worst,
        "depth": _depth(pair["verdict"], strength),
        "losses": Markup(losses(pair)) if pair["outcomes"] else None,
        "others": _others(pair, cards),
        "cost": sum(card["cpu_seconds"] for card in cards.values()),
        "seeds": next((card["seeds"] for card in cards.values()), None),
        "arguments": json.dumps(cards["together"]["arguments"], indent=1) if "together" in cards else "",
        "command": pair.get("command", ""),
        "conjecture": pair.get("conjecture"),
    }


def _depth(verdict: str, strength: float) -> int:
    """How much of its colour a place has, in percent: the larger the loss, the deeper a conflict."""
    if verdict != "conflict":
        return 14
    return round(14 + 34 * min(1.0, max(0.0, (strength - 1) / (STRONGEST - 1))))


def _others(pair: Json, cards: Json) -> list[dict[str, Any]]:
    """The measures of the cells that the criterion says nothing about, side by side."""
    judged = {outcome["measure"] for outcome in pair["outcomes"]}
    sides: list[Json] = [cards.get(key, {}).get("measures", {}) for key in ("one", "other", "together")]
    names = sorted({name for side in sides for name in side} - judged)
    return [{"name": name, "values": [side.get(name) for side in sides]} for name in names]
