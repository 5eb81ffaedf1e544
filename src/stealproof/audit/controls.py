"""The controls that auditors ask for, and what this audit can say about each: OWASP AISVS 1.0 C11.3 and MITRE ATLAS.

A status is derived from what was measured or declared, and "not assessed" where neither happened. What the owner
declares is repeated as declared; nothing here turns it into evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stealproof.audit._words import in_points, in_words, percent, queries
from stealproof.audit.findings import WORTHWHILE, overall_gap
from stealproof.audit.verdict import AuditVerdict, Level
from stealproof.errors import UnknownName
from stealproof.oracle import Access, Answer

AISVS = "https://github.com/OWASP/AISVS/blob/main/1.0/en/0x10-C11-Adversarial-Robustness.md"
ATLAS = "https://atlas.mitre.org/techniques/AML.T0024.002"


class Status(StrEnum):
    """What is known of a control."""

    SUPPORTED = "supported"
    """Measured, and the numbers speak for it."""
    GAP = "gap"
    """Measured, and the numbers speak against it."""
    DEMONSTRATED = "demonstrated"
    """Of a technique: this audit carried it out."""
    NOT_ACHIEVED = "not achieved"
    """Of a technique: this audit tried, and nothing came of it within the budget."""
    DECLARED = "declared"
    """The owner says so; nothing was measured."""
    NOT_ASSESSED = "not assessed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One requirement, with what this audit knows of it."""

    framework: str
    name: str
    """Identifier in its framework, for instance ``11.3.2``."""
    level: int | None = None
    """AISVS level, 1 to 3."""
    asks: str
    """What it asks for, in our words."""
    status: Status
    why: str
    url: str


ASKS = {
    "11.3.1": (1, "query patterns are analysed and feed a detector of extraction attempts"),
    "11.3.2": (2, "raw outputs stay in the backend, and what clients see is matched to the extraction risk"),
    "11.3.3": (3, "a watermark or fingerprint lets unauthorized copies be recognised"),
    "11.3.4": (3, "a suspected extraction triggers a response"),
    "AML.M0002": (None, "answers are made less telling: fewer scores, fewer digits (passive output obfuscation)"),
    "AML.M0004": (None, "the number of queries is restricted"),
    "AML.M0024": (None, "queries and answers are logged"),
}
"""Controls that an owner may declare: AISVS requirements, and the mitigations that ATLAS names for the technique."""


def check_declared(declared: Mapping[str, str]) -> None:
    """Raise ``UnknownName`` for a declared control that is in no list."""
    for name in declared:
        if name not in ASKS:
            raise UnknownName.among("control", name, ASKS)


def controls(verdict: AuditVerdict, access: Access, declared: Mapping[str, str] | None = None) -> tuple[Control, ...]:
    """All controls with their status, given the verdict, what clients see, and what the owner declared."""
    declared = declared or {}
    check_declared(declared)
    measured = {
        "11.3.2": _output_calibration(verdict, access),
        "AML.M0002": _output_calibration(verdict, access),
        "AML.M0004": _query_limit(verdict),
    }
    found = [_technique(verdict)]
    for name, (level, asks) in ASKS.items():
        status, why = measured.get(name) or (Status.NOT_ASSESSED, _later(name))
        if name in declared:
            says = f"The owner declares: {declared[name]}."
            status, why = (
                (Status.DECLARED, f"{says} Not measured.")
                if status is Status.NOT_ASSESSED
                else (status, f"{why} {says}")
            )
        aisvs = name.startswith("11.")
        found.append(
            Control(
                framework="OWASP AISVS 1.0 C11.3" if aisvs else "MITRE ATLAS",
                name=name,
                level=level,
                asks=asks,
                status=status,
                why=why,
                url=AISVS if aisvs else f"https://atlas.mitre.org/mitigations/{name}",
            )
        )
    return tuple(found)


def _technique(verdict: AuditVerdict) -> Control:
    """ATLAS AML.T0024.002, Extract AI Model: whether this audit carried it out."""
    if verdict.best is None:
        status, why = Status.NOT_ASSESSED, "No attack could be run."
    else:
        curve, point = verdict.first or verdict.best
        how = f"{in_words(curve.attack)}, {queries(point.queries)}, fidelity {percent(point.fidelity)}"
        if verdict.level in (Level.EXACT, Level.COPIED, Level.PARTLY):
            status, why = Status.DEMONSTRATED, f"Carried out: {verdict.level} ({how})."
        elif verdict.level is Level.RESISTED:
            status, why = Status.NOT_ACHIEVED, f"Tried without success within the budget ({how})."
        else:
            status, why = Status.NOT_ASSESSED, f"Tried, undecided ({how})."
    return Control(
        framework="MITRE ATLAS",
        name="AML.T0024.002",
        asks="the technique itself: an adversary extracts the model through its inference API",
        status=status,
        why=why,
        url=ATLAS,
    )


def _output_calibration(verdict: AuditVerdict, access: Access) -> tuple[Status, str] | None:
    """What clients see against what the scores gave the best thief."""
    raw = access.answer is Answer.LOGITS or (access.answer is Answer.PROBABILITIES and access.decimals is None)
    if verdict.best is None:
        return None
    gap = overall_gap(verdict)
    gain = "" if gap is None else f"; over labels they give the best thief {in_points(gap)} of fidelity"
    if raw:
        return Status.GAP, f"Clients see {access} at full precision{gain}."
    if verdict.level in (Level.EXACT, Level.COPIED):
        return Status.GAP, f"Clients see {access} only, and still the model was {verdict.level}{gain}."
    if gap is not None and gap.high >= WORTHWHILE:
        return Status.GAP, f"Clients see {access}{gain}."
    if verdict.level is Level.RESISTED:
        return Status.SUPPORTED, f"Clients see {access} only, and no copy succeeded within the budget{gain}."
    return Status.NOT_ASSESSED, f"Clients see {access} only; the copies are too good to call this enough{gain}."


def _query_limit(verdict: AuditVerdict) -> tuple[Status, str] | None:
    if verdict.first is None:
        return None
    return (
        Status.NOT_ASSESSED,
        f"A limit helps only well below {queries(verdict.first[1].queries)} a client, the fewest that were seen to"
        " suffice; whether one is in force was not measured.",
    )


def _later(name: str) -> str:
    return {
        "11.3.1": "No detector was run: this version measures thefts, not the guards that watch for them.",
        "11.3.3": "Whether this model carries one was not tested; the report says which scheme would hold if it did.",
        "11.3.4": "No response was exercised: that needs a detector first.",
        "AML.M0024": "Logging is outside of what a client can see.",
    }.get(name, "Nothing was measured that speaks about it.")
