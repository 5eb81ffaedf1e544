"""The verdict: what the measured thefts amount to, by the rules that are stated here.

A level is reached by the *bound* of an interval, never by its middle. The words are in ``findings.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from stealproof.audit.curves import Curve, Gap, Point, Row, best_thief_gaps, curves_of, fidelity_gain, strongest
from stealproof.measures.estimate import Estimate
from stealproof.measures.paired import Comparison

EXACT = 0.99
COPIED = 0.90
PARTLY = 0.75
CLOSE = 0.01
"""Mean total variation up to which two models answer with the same probabilities, for all that a client can tell."""


class Level(StrEnum):
    """What the measured thefts amount to, from worst to best."""

    EXACT = "exact copy"
    COPIED = "copied"
    PARTLY = "partly copied"
    INCONCLUSIVE = "inconclusive"
    RESISTED = "not copied"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule that a level is reached by; the first that applies decides."""

    level: Level
    text: str
    reason: str
    """Why this threshold."""


RULES = (
    Rule(
        level=Level.EXACT,
        text=f"some copy's fidelity has a lower bound of at least {EXACT} on uniform inputs, and on held-out inputs"
        f" either that or at least {COPIED:.2f} with probabilities that differ by at most {CLOSE} in total variation",
        reason="Uniform inputs look like nothing that a model was trained on; agreement there means that the function"
        " itself was recovered (Tramèr et al. 2016 judge their copies on 10,000 of them). The second way is for"
        " few held-out inputs, of which even full agreement proves little.",
    ),
    Rule(
        level=Level.COPIED,
        text=f"some copy's fidelity has a lower bound of at least {COPIED:.2f}, and above the constant guess",
        reason="The OWASP AI Testing Guide (AITG-APP-09, model extraction) calls a fidelity above 0.90 a"
        " vulnerability. The constant guess is what always naming the most common answer would reach.",
    ),
    Rule(
        level=Level.PARTLY,
        text=f"some copy's fidelity has a lower bound of at least {PARTLY:.2f}, and above the constant guess",
        reason="The same test calls a fidelity below 0.75 the desired outcome, and what lies between a warning.",
    ),
    Rule(
        level=Level.RESISTED,
        text=f"the best copy's fidelity has an upper bound below {PARTLY:.2f}, or no better than the constant guess",
        reason="Said of these attacks and budgets only: attacks get better, and a thief may buy more queries.",
    ),
    Rule(
        level=Level.INCONCLUSIVE,
        text="none of the above: the best copy's interval contains the threshold",
        reason="An interval that contains the threshold supports neither side.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict:
    """What the audit found in the end."""

    level: Level
    best: tuple[Curve, Point] | None = None
    """The most faithful copy under the declared access."""
    first: tuple[Curve, Point] | None = None
    """The fewest queries that reached the level; None when the level is no success of the thief."""
    gaps: tuple[Gap, ...] = ()
    """What the declared access gives the best thief over labels."""
    over_reference: Comparison | None = None
    """Fidelity of the best copy minus that of an independent model, paired by seed."""
    reference_rows: int = 0
    """True labels that the independent model had."""
    constant: Estimate | None = None
    """Agreement of always naming the victim's most common answer."""


def judge(
    rows: Sequence[Row],
    *,
    access: str,
    price: float,
    reference: Sequence[Row] = (),
    constant: Estimate | None = None,
    poorest: str = "labels",
) -> AuditVerdict:
    """The verdict on a model that answers with ``access``.

    Args:
        rows: measured thefts, of this and of other accesses.
        access: what clients see today, as written in ``rows``.
        price: of one query, at least 0.
        reference: independent models by training rows (in ``budget``) and seed, which sent no query.
        constant: agreement of always naming the victim's most common answer.
        poorest: the access that a hardened API would give.
    """
    curves = [curve for curve in curves_of(rows, price=price) if curve.access == access]
    best = strongest(curves, access)
    if best is None:
        return AuditVerdict(level=Level.NOT_MEASURED, constant=constant)
    level, first = _level(curves, best[1], 0.0 if constant is None else constant.high)
    # As many true labels as the thief had queries to spend, or the closest number below that was measured.
    sizes = sorted({row.budget for row in reference})
    size = max((rows for rows in sizes if rows <= best[1].budget), default=min(sizes, default=0))
    return AuditVerdict(
        level=level,
        best=best,
        first=first,
        gaps=best_thief_gaps(rows, access, poorest) if access != poorest else (),
        over_reference=_over_reference(rows, best, [row for row in reference if row.budget == size]),
        reference_rows=size,
        constant=constant,
    )


def _level(curves: Sequence[Curve], best: Point, floor: float) -> tuple[Level, tuple[Curve, Point] | None]:
    pairs = sorted(((curve, point) for curve in curves for point in curve.points), key=lambda pair: pair[1].queries)
    for level in (Level.EXACT, Level.COPIED, Level.PARTLY):
        for curve, point in pairs:
            if point.fidelity.low > floor and _reaches(point, level):
                return level, (curve, point)
    resisted = best.fidelity.high < PARTLY or best.fidelity.high <= floor
    return (Level.RESISTED if resisted else Level.INCONCLUSIVE), None


def _reaches(point: Point, level: Level) -> bool:
    low = point.fidelity.low
    if level is not Level.EXACT:
        return low >= (COPIED if level is Level.COPIED else PARTLY)
    uniform = point.estimates.get("uniform_fidelity")
    variations = [point.estimates[name].high for name in ("tv", "uniform_tv") if name in point.estimates]
    same = len(variations) == 2 and max(variations) <= CLOSE and low >= COPIED
    return uniform is not None and uniform.low >= EXACT and (low >= EXACT or same)


def _over_reference(rows: Sequence[Row], best: tuple[Curve, Point], reference: Sequence[Row]) -> Comparison | None:
    curve, point = best
    here = (curve.attack, curve.access, point.budget)
    mine = {row.seed: row for row in rows if (row.attack, row.access, row.budget) == here}
    theirs = {row.seed: row for row in reference}
    seeds = sorted(mine.keys() & theirs.keys())
    if len(seeds) < 2 or any("fidelity" not in side[seed].estimates for side in (mine, theirs) for seed in seeds):
        return None
    return fidelity_gain(*([side[seed].estimates["fidelity"].value for seed in seeds] for side in (mine, theirs)))
