"""One self-contained HTML page from an ``audit.json``: the verdict first, then the evidence, then how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from stealproof.reports import _interactions
from stealproof.reports._panels import attack_order, swatch
from stealproof.reports._svg import STYLE, theme
from stealproof.reports._templates import template
from stealproof.reports.plots import fidelity_panel, gap_plot, ruler

TONES = {"exact copy": "bad", "copied": "bad", "partly copied": "warn", "not copied": "good"}
"""Colour of a verdict; the words say it as well."""


def page(document: Mapping[str, Any]) -> str:
    """The page as one HTML text: styles and drawings inside, nothing loaded from anywhere.

    Args:
        document: an audit in JSON types, as ``stealproof.audit.document.document`` makes it.
    """
    form = template(
        "audit.html.j2",
        percent=percent,
        interval=interval,
        points=points,
        count=count,
        money=money,
        words=lambda name: str(name).replace("_", " "),
        measure=_interactions.measure_in_words,
        number=_interactions.number,
        between=_interactions.interval,
    )
    verdict = document["verdict"]
    key = verdict["first"] or verdict["best"]
    measured = [a for a in document["settings"]["accesses"] if any(c["access"] == a for c in document["curves"])]
    attacks = attack_order(document["curves"])
    thresholds = verdict["thresholds"]
    return form.render(
        audit=document,
        ownership=document.get("ownership") or {"schemes": [], "left_out": []},
        framing=document.get("framing") or {"schemes": [], "left_out": []},
        conflicts=document.get("conflicts") or {"interactions": [], "left_out": []},
        pairs=[_pair(pair) for pair in (document.get("conflicts") or {}).get("interactions", [])],
        best_copies=[_best_copy(curve, thresholds["copied"]) for curve in document["curves"]],
        price=document["settings"]["price_per_query"],
        verdict=verdict,
        key=key,
        tone=TONES.get(verdict["level"], "warn"),
        css=Markup(theme() + STYLE),
        panels=[Markup(fidelity_panel(document, access)) for access in measured],
        legend=[(name, Markup(swatch(i))) for i, name in enumerate(attacks)],
        reference_swatch=Markup(swatch(None)),
        gap_plot=Markup(gap_plot(document["gaps"])) if document["gaps"] else None,
        overall_gap=next((gap for gap in document["gaps"] if gap["budget"] is None), None),
        ruler=Markup(ruler(key["fidelity"], (thresholds["partly"], thresholds["copied"]))) if key else None,
    )


def _best_copy(curve: Mapping[str, Any], good: float) -> tuple[Any, Any, float | None]:
    """The curve, its most faithful point, and the fewest queries whose lower bound reaches ``good``."""
    best = max(curve["points"], key=lambda point: (point["fidelity"]["value"], -point["queries"]))
    enough = [point["queries"] for point in curve["points"] if point["fidelity"]["low"] >= good]
    return curve, best, min(enough, default=None)


def _pair(pair: Mapping[str, Any]) -> tuple[Any, str, Any]:
    """An interaction, the colour of its verdict, and the outcome that decides it."""
    return pair, _interactions.TONES[pair["verdict"]], _interactions.decisive(pair)


def percent(value: float) -> str:
    """``96.2%``."""
    return f"{100 * value:.1f}%"


def interval(estimate: Mapping[str, Any], scale: float = 100) -> str:
    """``93.9 to 97.8``."""
    return f"{scale * estimate['low']:.1f} to {scale * estimate['high']:.1f}"


def points(value: float) -> str:
    """A difference of fractions, in points: ``+2.1``."""
    return f"{100 * value:+.1f}"


def count(value: float) -> str:
    """``1,200``."""
    return f"{value:,.0f}"


def money(amount: float) -> str:
    """To the cent, or to two significant digits below that."""
    return f"{amount:,.2f}" if amount >= 0.01 or amount == 0 else f"{amount:.2g}"
