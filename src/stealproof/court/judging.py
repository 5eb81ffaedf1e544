"""The judge: eight numbered steps, of which each gives a finding, and a decision that all of them must bear.

Evidence that contradicts itself ends the trial (``EvidenceError``, with the number of the step). Evidence that is only
missing is a finding, and the decision says what would be needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stealproof import catalog
from stealproof.claims import Claim, Decision, Verdict
from stealproof.court import _steps
from stealproof.court.case import Case, Complaint, HeldOut
from stealproof.court.countermeasures.count_plans import GRINDABLE
from stealproof.court.hearing import Hearing, Judgement, Party, StepFinding
from stealproof.court.policy import policy
from stealproof.errors import EvidenceError, InputError
from stealproof.measures.binomial import trials_needed
from stealproof.measures.grinding import grinding_correction

if TYPE_CHECKING:
    from stealproof.roles.ownership import Ownership
    from stealproof.roles.trial import Calibration

BEFORE = {
    "envelope": _steps.check_envelope,
    "signer": _steps.check_signer,
    "commitment": _steps.check_commitment,
    "timestamp": _steps.check_precedence,
    "generation": _steps.check_generation,
}
"""The steps before the suspect is asked, in order."""


def judge(
    hearing: Hearing,
    suspect: Party,
    *,
    controls: Sequence[Party] = (),
    public: Any = None,
    held_out: HeldOut | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Judgement:
    """Judge the dossier of ``hearing`` against ``suspect``.

    Args:
        hearing: the evidence, and whom the judge believes.
        suspect: asked through its oracle; every question follows from the hearing's seed.
        controls: independent models that get the same test.
        public: inputs ``(m, *shape)`` that anybody could have trained on.
        held_out: rows that show whether the controls do the task as well as the suspect.
        progress: called with what is being done and the finished share.

    Raises:
        EvidenceError: the evidence contradicts itself; the message names the step.
        AccessDenied: the suspect answers less than the scheme needs.
    """
    file, findings = check_evidence(hearing, suspect)
    attempts = max(hearing.attempts, GRINDABLE if file.honest else 1)
    level = hearing.level / attempts
    networks = [control.model for control in controls if control.model is not None]
    with _step(6, "test"):
        scheme = scheme_of(file.claim)
        complaint = Complaint(
            scheme=scheme,
            claim=file.claim,
            level=level,
            seed=hearing.seed,
            controls=[control.oracle for control in controls],
            networks=networks if len(networks) == len(controls) else None,
            held_out=held_out,
        )
        verdict = scheme.verify(
            file.claim,
            suspect.oracle,
            level=level,
            seed=hearing.seed,
            model=suspect.model,
            calibration=_calibration(complaint, hearing, progress),
            public=public,
            progress=progress,
        )
    findings.append(_test(verdict, attempts))
    case = Case(
        complaint=complaint, suspect=suspect.oracle, verdict=verdict, model=suspect.model, precedes=file.precedes
    )
    findings.append(_countermeasures(case, honest=file.honest))
    decision, words = _decide(findings, verdict)
    findings.append(StepFinding(step="decision", ok=decision is Decision.OWNED, words=words))
    return Judgement(findings=tuple(findings), decision=decision, verdict=verdict)


def check_evidence(hearing: Hearing, suspect: Party) -> tuple[_steps.File, list[StepFinding]]:
    """Steps 1 to 5, which ask nobody anything: what is wrong with the evidence shows before controls are trained.

    Raises:
        EvidenceError: the evidence contradicts itself; the message names the step.
    """
    if hearing.attempts < 1:
        raise InputError(f"the accuser made at least 1 attempt, this one; got {hearing.attempts}")
    if not 0 < hearing.level < 1:
        raise InputError(f"the level must lie between 0 and 1, got {hearing.level}")
    file = _steps.File(hearing=hearing)
    findings = []
    for number, (name, step) in enumerate(BEFORE.items(), 1):
        with _step(number, name):
            ok, words = step(file, suspect)
        findings.append(StepFinding(step=name, ok=ok, words=words))
    return file, findings


def triggers_needed(classes: int, level: float = 1e-3) -> int | None:
    """The fewest triggers of a plan that convince a judge of ``level``, of a copy that matches all of them."""
    return trials_needed(1 / classes, level / GRINDABLE)


def scheme_of(claim: Claim) -> Ownership:
    """The scheme that a claim is of.

    Raises:
        EvidenceError: there is none of this name here, or it does not take the claim's parameters.
    """
    try:
        scheme: Ownership = catalog.make(claim.scheme, "ownership", **claim.parameters)
    except InputError as error:
        raise EvidenceError(
            f"this installation can't judge the claim: {error}; install what it was made with"
        ) from error
    return scheme


def _calibration(
    complaint: Complaint, hearing: Hearing, progress: Callable[[str, float], None] | None
) -> Calibration | None:
    """The same test on every control, which the countermeasures use again; None without controls."""
    if not complaint.controls:
        return None
    if progress is not None:
        progress("asking control models", 0.0)
    found = complaint.calibration
    return dataclasses.replace(found, description=hearing.controls_are or found.description)


def _test(verdict: Verdict, attempts: int) -> StepFinding:
    """Step 6: what the scheme says at a level that pays for every attempt of the accuser."""
    words = f"{verdict.scheme} says {verdict.decision} after {verdict.queries:,} queries: {'; '.join(verdict.reasons)}"
    if attempts > 1:
        corrected = grinding_correction(verdict.p_value, attempts)
        words += f"; as one of {attempts:,} attempts, the p-value counts as {corrected:.3g}"
    return StepFinding(step="test", ok=verdict.decision is Decision.OWNED, words=words)


def _countermeasures(case: Case, *, honest: bool) -> StepFinding:
    """Step 7: what speaks for a claim whose inputs were made to hold against anybody."""
    controls = len(case.complaint.controls)
    said = f"{controls} control models were asked" if controls else "no control models were asked"
    if honest:
        return StepFinding(
            step="controls", ok=None, words=f"{said}; none are needed, since nobody chose the inputs or their labels"
        )
    if case.verdict.decision is not Decision.OWNED:
        return StepFinding(step="controls", ok=None, words=f"{said}; there is no accusation that could be false")
    found = [countermeasure.examine(case) for countermeasure in policy("default").countermeasures]
    objections = [f"{one.countermeasure}: {one.objection}" for one in found if one.objection is not None]
    if objections:
        return StepFinding(step="controls", ok=False, words=f"{said}; {'; '.join(objections)}")
    if case.complaint.held_out is None:
        said += "; whether they do the task as well as the suspect, nobody tested (--data)"
    passed = ", ".join(one.countermeasure for one in found)
    return StepFinding(step="controls", ok=True, words=f"{said}; nothing speaks for a false accusation ({passed})")


def _decide(findings: Sequence[StepFinding], verdict: Verdict) -> tuple[Decision, str]:
    """Step 8: owned only when no step fails."""
    failed = [f"{number} ({finding.step})" for number, finding in enumerate(findings, 1) if finding.ok is False]
    if verdict.decision is Decision.NOT_OWNED:
        return Decision.NOT_OWNED, "not owned: an independent model could well answer like this"
    if failed:
        steps = f"step {failed[0]} holds" if len(failed) == 1 else f"the steps {' and '.join(failed)} hold"
        return Decision.INCONCLUSIVE, f"inconclusive: nothing is shown unless {steps}, too"
    return Decision.OWNED, "owned: no step fails, and an independent model would hardly ever answer like this"


@contextmanager
def _step(number: int, name: str) -> Iterator[None]:
    try:
        yield
    except EvidenceError as error:
        raise EvidenceError(f"step {number}, {name}: {error}") from error
