"""audit.json: everything that an audit found, in JSON types. The page and the pictures are drawn from it alone."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stealproof import __version__
from stealproof.audit.controls import controls
from stealproof.audit.curves import Curve, Gap, Point, Row, curves_of
from stealproof.audit.findings import advice, findings, headline
from stealproof.audit.plan import Plan
from stealproof.audit.threats import ThreatMap
from stealproof.audit.verdict import COPIED, EXACT, PARTLY, RULES, AuditVerdict, judge
from stealproof.measures.estimate import Estimate
from stealproof.oracle import Access
from stealproof.studies.results import plain

SCHEMA = "stealproof audit 1"
"""Name and version of the layout; the number grows when a key changes its meaning or goes."""

LATER = (
    (
        3,
        "What can be done?",
        "No ownership scheme was tried; the reasons stand under “Left out”. Expect here, too, the same thefts behind"
        " rounding, query detectors and training defenses, and what each costs honest clients.",
    ),
    (
        4,
        "Does the proof hold?",
        "No false claim was rehearsed; the reasons stand under “Left out”.",
    ),
    (
        5,
        "Do the defenses get along?",
        "No two protections were tried together; the reasons stand under “Left out”.",
    ),
)
"""Questions that may stay open, and what then stands in their place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is audited."""

    name: str
    """As the caller named it."""
    kind: str
    """In words, for instance ``multilayer perceptron (mlp), trained for this audit``."""
    data: str
    classes: int
    shape: tuple[int, ...]
    accuracy: Estimate | None = None
    """On the held-out rows; None without labels."""
    constant: Estimate | None = None
    """Agreement of always naming the most common answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the caller chose, or what was chosen for them."""

    access: str
    """What clients see today."""
    accesses: tuple[str, ...]
    budgets: tuple[int, ...]
    seeds: tuple[int, ...]
    price_per_query: float
    pool: str
    """The thief's inputs, in words."""


def document(
    *,
    target: Target,
    settings: Settings,
    access: Access,
    threats: ThreatMap,
    plan: Plan,
    rows: Sequence[Row],
    reference: Sequence[Row] = (),
    failures: Sequence[Mapping[str, Any]] = (),
    ownership: Mapping[str, Any] | None = None,
    framing: Mapping[str, Any] | None = None,
    conflicts: Mapping[str, Any] | None = None,
    declared: Mapping[str, str] | None = None,
    cards: Sequence[Mapping[str, Any]] = (),
    environment: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole audit as one JSON object; docs/audit.md explains its keys."""
    price = settings.price_per_query
    verdict = judge(rows, access=settings.access, price=price, reference=reference, constant=target.constant)
    whole = {
        "schema": SCHEMA,
        "stealproof": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": _fields(target),
        "settings": _fields(settings),
        "verdict": _verdict(verdict, price),
        "questions": _questions(verdict, price, {3: ownership or {}, 4: framing or {}, 5: conflicts or {}}),
        "threats": _fields(threats),
        "curves": [_curve(curve) for curve in curves_of(rows, price=price)],
        "reference": [
            {"rows": point.budget, **_point(point)}
            for curve in curves_of(reference, price=0.0)
            for point in curve.points
        ],
        "ownership": ownership,
        "framing": framing,
        "conflicts": conflicts,
        "gaps": [_gap(gap) for gap in verdict.gaps],
        "plan": {**_fields(plan), "failed": list(failures)},
        "controls": [_fields(control) for control in controls(verdict, access, declared)],
        "thefts": [_theft(row) for row in (*rows, *reference)],
        "cards": list(cards),
        "environment": {"platform": platform.platform(), **(environment or {})},
    }
    clean: dict[str, Any] = plain(whole)
    return clean


def _fields(record: Any) -> dict[str, Any]:
    return dataclasses.asdict(record)


def _verdict(verdict: AuditVerdict, price: float) -> dict[str, Any]:
    over = verdict.over_reference
    return {
        "level": str(verdict.level),
        "headline": headline(verdict, price),
        "findings": list(findings(verdict)),
        "advice": [_fields(entry) for entry in advice(verdict)],
        "best": _one(verdict.best),
        "first": _one(verdict.first),
        "over_reference": None if over is None else {**over.difference.as_dict(), "p_value": over.p_value},
        "thresholds": {"exact": EXACT, "copied": COPIED, "partly": PARTLY},
        "rules": [_fields(rule) for rule in RULES],
    }


def _questions(verdict: AuditVerdict, price: float, sections: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    best = verdict.best
    stolen = "Nothing was measured." if best is None else findings(verdict)[0]
    later = []
    for number, question, expect in LATER:
        found = list(sections.get(number, {}).get("findings", ()))
        text = found[0] if found else expect
        later.append({"number": number, "question": question, "answered": bool(found), "text": text})
    return [
        {"number": 1, "question": "Is it a concern?", "answered": best is not None, "text": headline(verdict, price)},
        {"number": 2, "question": "Can it be stolen?", "answered": best is not None, "text": stolen},
        *later,
    ]


def _one(found: tuple[Curve, Point] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    curve, point = found
    return {"attack": curve.attack, "access": curve.access, **_point(point)}


def _curve(curve: Curve) -> dict[str, Any]:
    return {"attack": curve.attack, "access": curve.access, "points": [_point(point) for point in curve.points]}


def _point(point: Point) -> dict[str, Any]:
    return {
        "budget": point.budget,
        "queries": point.queries,
        "cost": point.cost,
        "seeds": list(point.seeds),
        "cpu_seconds": point.cpu_seconds,
        "fidelity": point.fidelity.as_dict(),
        "estimates": {name: estimate.as_dict() for name, estimate in point.estimates.items()},
    }


def _theft(row: Row) -> dict[str, Any]:
    """One measured theft: what the curves are means of."""
    values = {name: estimate.value for name, estimate in row.estimates.items()}
    place = {"attack": row.attack, "access": row.access, "budget": row.budget, "seed": row.seed}
    return {**place, "queries": row.queries, "cpu_seconds": row.cpu_seconds, **values}


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "budget": gap.budget,
        "richer": gap.richer,
        "poorer": gap.poorer,
        "difference": gap.comparison.difference.as_dict(),
        "p_value": gap.comparison.p_value,
    }
