"""Liars: could somebody frame a model like the audited one, and does its owner's own claim hold before a wary judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stealproof import catalog
from stealproof.audit._words import in_words, percent
from stealproof.audit.proofs import Unproven, obstacle
from stealproof.audit.subject import Subject
from stealproof.measures.estimate import Estimate
from stealproof.studies.results import Failure
from stealproof.studies.study import Study

SCHEMES = ("derived_triggers", "adi2018", "dawn")
"""Watermarks whose null distribution is known exactly: they need few control models, and those only of a wary judge."""
ATTACK = "transferable_triggers"
"""The false claim that the most schemes fell to; it needs no look at the model that it frames."""
QUESTIONS = {
    "own": ("victim", "default"),
    "framed": (ATTACK, "none"),
    "framed_before_judge": (ATTACK, "default"),
}
"""What is asked about each scheme: whom the claim accuses or how it is forged, and the judge's policy."""
LEVEL = 0.05
INNOCENTS = 20
"""Models like the audited one, made by others, that the liar has never seen."""
REFERENCES = 5
CONTROLS = 19
"""As many as the level takes; an audit has no time for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiarPlan:
    """The accusations that will be brought, and what is left out."""

    study: Study
    left_out: tuple[Unproven, ...]


def plan_liars(subject: Subject, seeds: Sequence[int], *, wanted: bool) -> LiarPlan:
    """Honest and false accusations about models like ``subject``."""
    reason = obstacle(subject) if wanted else "not asked for"
    given = subject.arguments
    combinations = () if reason else tuple(
        {
            "data": given["data"],
            "data_parameters": dict(given.get("data_parameters", {})),
            "family": given["victim"],
            "family_parameters": dict(given.get("victim_parameters", {})),
            "scheme": scheme,
            "accusation": accusation,
            "policy": policy,
            "innocents": INNOCENTS,
            "references": REFERENCES,
            "controls": CONTROLS,
            "level": LEVEL,
        }
        for scheme in SCHEMES
        for accusation, policy in QUESTIONS.values()
    )  # fmt: skip
    study = Study(
        name="audit", title="False claims", experiment="framing", combinations=combinations, seeds=tuple(seeds)
    )
    others = tuple(name for name in catalog.names("ownership") if name not in SCHEMES)
    why = "needs more time than an audit has; see `stealproof reproduce false_claims`"
    left_out = Unproven(schemes=SCHEMES, why=reason) if reason else Unproven(schemes=others, why=why)
    return LiarPlan(study=study, left_out=(left_out,))


def liars(plan: LiarPlan, cards: Sequence[Mapping[str, Any]], failures: Sequence[Failure] = ()) -> dict[str, Any]:
    """The section of the report in JSON types; ``schemes`` is empty when nothing was measured."""
    left_out = [{"schemes": list(entry.schemes), "why": entry.why} for entry in plan.left_out]
    for name, why in dict.fromkeys((str(f.cell.arguments["scheme"]), f.reason) for f in failures):
        left_out.append({"schemes": [name], "why": f"failed: {why}"})
    believed = {
        tuple(card["arguments"][key] for key in ("scheme", "accusation", "policy")): card["measures"]["believed"]
        for card in cards
        if "believed" in card["measures"]
    }
    schemes = [
        {"name": scheme, **answers}
        for scheme in SCHEMES
        if all((answers := {name: believed.get((scheme, *asked)) for name, asked in QUESTIONS.items()}).values())
    ]
    return {
        "level": LEVEL,
        "innocents": INNOCENTS,
        "schemes": schemes,
        "findings": [_finding(scheme) for scheme in sorted(schemes, key=_trust, reverse=True)],
        "left_out": left_out,
    }


def _trust(scheme: Mapping[str, Any]) -> tuple[float, float]:
    """What the owner wins less what a liar wins before the same judge; then the same without a judge's care."""
    own, framed = scheme["own"]["value"], scheme["framed_before_judge"]["value"]
    return own - framed, own - scheme["framed"]["value"]


def _finding(scheme: Mapping[str, Any]) -> str:
    own, framed, judged = (Estimate(**scheme[name]) for name in QUESTIONS)
    lied = (
        "no liar's claim was believed against an innocent model like yours"
        if framed.value == 0 == judged.value
        else f"a liar's claim was believed against {percent(framed)} of innocent models like yours, and against"
        f" {percent(judged)} once the judge looks into it"
    )
    if own.value == 1:
        honest = "your own claim holds before the wary judge in every seed"
    elif own.value == 0:
        honest = "your own claim does not hold there in any seed"
    else:
        honest = f"your own claim holds there in {100 * own.value:.0f}% of the seeds"
    return f"{in_words(scheme['name']).capitalize()}: {lied}; {honest}."
