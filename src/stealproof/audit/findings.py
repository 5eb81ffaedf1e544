"""The verdict in plain words: one headline, findings and advice, each sentence with the numbers it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stealproof.audit._words import in_points, in_words, money, percent, queries
from stealproof.audit.curves import Point
from stealproof.audit.verdict import COPIED, PARTLY, AuditVerdict, Level
from stealproof.measures.estimate import Estimate

WORTHWHILE = 0.01
"""Scores that give the thief less than one point of fidelity are not worth hiding from honest clients."""
ENOUGH = 300
"""Held-out inputs before "no difference" is advice: of 3/n, one percent for 300, even full agreement says nothing."""
FULL_PRECISION = ("probabilities", "logits")
WIDE = 0.10
"""An interval wider than ten points is worth more seeds or test rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing to do, and the measured reason."""

    do: str
    because: str


def headline(verdict: AuditVerdict, price: float) -> str:
    """One sentence: the level, the key number with its interval, and what it cost."""
    if verdict.best is None:
        return "Nothing was measured: no attack of the catalog fits this model and access."
    point = (verdict.first or verdict.best)[1]
    where = "held-out" if "fidelity" in point.estimates else "uniform"
    fidelity = point.fidelity
    low, high = 100 * fidelity.low, 100 * fidelity.high
    interval = f"{100 * fidelity.level:.0f}% interval {low:.1f} to {high:.1f}"
    copy = f"agrees with it on {100 * fidelity.value:.1f}% of {where} inputs ({interval})"
    cost = queries(point.queries) + (f", which cost {money(point.cost)}," if price else "")
    match verdict.level:
        case Level.EXACT:
            return f"Your model can be copied exactly: {cost} buy a copy that {copy}."
        case Level.COPIED:
            return f"Your model can be copied: {cost} buy a copy that {copy}."
        case Level.PARTLY:
            return f"Your model can be copied in part: {cost} buy a copy that {copy}."
        case Level.RESISTED:
            return f"No attack that was tried copied your model: the best one spent {cost} and its copy {copy}."
        case _:
            return f"The evidence does not decide: the best attack spent {cost} and its copy {copy}."


def findings(verdict: AuditVerdict) -> tuple[str, ...]:
    """What else the numbers say, most important first."""
    return tuple(_findings(verdict))


def _findings(verdict: AuditVerdict) -> Iterator[str]:
    if verdict.best is None:
        return
    curve, point = verdict.best
    yield (
        f"The most faithful copy came from {in_words(curve.attack)}: {percent(point.fidelity)} agreement for"
        f" {queries(point.queries)}."
    )
    relative = point.estimates.get("relative_accuracy")
    if relative is not None:
        yield f"Its accuracy is {percent(relative)} of the original's."
    yield from _on_uniform(verdict.level, point)
    yield from _on_scores(verdict)
    yield from _on_reference(verdict)
    if verdict.constant is not None:
        yield f"Always naming the model's most common answer would agree on {percent(verdict.constant)}."


def _on_uniform(level: Level, point: Point) -> Iterator[str]:
    uniform = point.estimates.get("uniform_fidelity")
    if uniform is not None and "fidelity" in point.estimates:
        what = {
            Level.EXACT: ": the function itself was recovered",
            Level.COPIED: ": it copies the job, not the function",
            Level.PARTLY: ": it copies the job, not the function",
        }.get(level, "")
        yield f"On uniform inputs, far from any data, it agrees on {percent(uniform)}{what}."


def overall_gap(verdict: AuditVerdict) -> Estimate | None:
    """What the declared access gives the best thief over labels, averaged over the budgets."""
    return next((gap.comparison.difference for gap in verdict.gaps if gap.budget is None), None)


def _on_scores(verdict: AuditVerdict) -> Iterator[str]:
    gap = overall_gap(verdict)
    if gap is None or verdict.best is None:
        return
    lead = (
        f"Showing {verdict.best[0].access} instead of labels changes the best thief's fidelity by {in_points(gap)},"
        " averaged over the budgets and on the same inputs"
    )
    if gap.low > 0:
        yield f"{lead}: the scores do give something away."
    elif gap.high < 0:
        yield f"{lead}: the scores do not even help."
    else:
        yield f"{lead}: nothing that these seeds can tell from zero."


def _on_reference(verdict: AuditVerdict) -> Iterator[str]:
    if verdict.over_reference is None:
        return
    difference = verdict.over_reference.difference
    gain = f"{in_points(difference)} of fidelity"
    own = f"a model of one's own, trained on {verdict.reference_rows:,} true labels without a query"
    if difference.low > 0:
        yield f"Compared with {own}, the theft gains {gain}: that much is owed to your model's answers."
    elif difference.high < 0:
        yield f"Compared with {own}, the theft loses {gain}: true labels are worth more than your model's answers."
    else:
        what = (
            "; but that model is no copy of the function itself"
            if verdict.level is Level.EXACT
            else ": what is stolen may be no more than the labelling work"
        )
        yield f"Compared with {own}, the theft gains {gain}, which these seeds cannot tell from zero{what}."


def advice(verdict: AuditVerdict) -> tuple[Advice, ...]:
    """What to do, most urgent first; every entry names the measurement that it follows from."""
    return tuple(_advice(verdict))


def _advice(verdict: AuditVerdict) -> Iterator[Advice]:
    if verdict.best is None:
        return
    curve, point = verdict.best
    if verdict.level is Level.EXACT and verdict.first is not None and curve.access in FULL_PRECISION:
        exact_curve, exact_point = verdict.first
        yield Advice(
            do="Do not serve this model with scores at full precision: answer labels, or round to 2 decimals.",
            because=f"{in_words(exact_curve.attack)} recovered the function itself for {queries(exact_point.queries)};"
            " coarser answers are no exact equations any more.",
        )
    yield from _advice_on_scores(verdict, curve.access)
    if verdict.first is not None:
        bar = PARTLY if verdict.level is Level.PARTLY else COPIED
        first_curve, first_point = verdict.first
        yield Advice(
            do=f"Keep quotas well below {queries(first_point.queries)} a client, and look for clients that share.",
            because=f"That many sufficed {in_words(first_curve.attack)} for a fidelity of at least {bar:.2f}; fewer may"
            " do, since only the listed budgets were measured.",
        )
        yield Advice(
            do="Be able to prove a theft: watermark the model, or enroll a fingerprint, before you publish it.",
            because="A thief who stays below every quota is slowed down, not stopped.",
        )
    width = point.fidelity.high - point.fidelity.low
    if width > WIDE or verdict.level is Level.INCONCLUSIVE:
        yield Advice(
            do="Measure again with more seeds or more held-out inputs.",
            because=f"The best copy's interval is {100 * width:.0f} points wide, from {len(point.seeds)} seeds and"
            f" {point.fidelity.n:,} inputs.",
        )
    if verdict.level is Level.RESISTED:
        yield Advice(
            do="Repeat the audit with a larger budget before you rely on this.",
            because=f"No more than {queries(max(p.budget for p in curve.points))} were tried.",
        )


def _advice_on_scores(verdict: AuditVerdict, access: str) -> Iterator[Advice]:
    gap = overall_gap(verdict)
    if gap is None:
        return
    if gap.low > 0 and gap.value >= WORTHWHILE:
        yield Advice(
            do="Answer with labels only, where clients can do without scores.",
            because=f"Showing {access} gives the best thief {in_points(gap)} of fidelity, averaged over the budgets.",
        )
    elif gap.high < WORTHWHILE and verdict.best is not None and verdict.best[1].fidelity.n >= ENOUGH:
        yield Advice(
            do="Do not count on hiding the scores.",
            because=f"With labels only, the best thief does as well: {in_points(gap)} for {access}.",
        )
