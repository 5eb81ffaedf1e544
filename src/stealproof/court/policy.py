"""Policy: the countermeasures that a judge has switched on; an accusation stands only when none of them objects."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from stealproof.claims import Decision, Verdict
from stealproof.court.case import Case
from stealproof.court.countermeasures.comparable_controls import ComparableControls
from stealproof.court.countermeasures.control_models import ControlModels
from stealproof.court.countermeasures.count_plans import CountPlans
from stealproof.court.countermeasures.countermeasure import Countermeasure, Finding
from stealproof.court.countermeasures.judge_generates import JudgeGenerates
from stealproof.court.countermeasures.transferable_example_test import TransferableExampleTest
from stealproof.court.countermeasures.verify_generation import VerifyGeneration
from stealproof.errors import UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a judge says under a policy."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    """In the policy's order; empty when the scheme alone accuses nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A set of countermeasures."""

    countermeasures: tuple[Countermeasure, ...] = ()

    def rule(self, case: Case) -> Ruling:
        """The verdict on ``case``: owned if the scheme accuses the suspect and nothing speaks against that."""
        alone = not any(c.judges for c in self.countermeasures)
        accused = case.accused if alone or case.complaint.scheme.exact else True
        if not accused:
            decision = Decision.NOT_OWNED if case.verdict.decision is Decision.OWNED else case.verdict.decision
            return Ruling(verdict=dataclasses.replace(case.verdict, decision=decision), findings=())
        findings = tuple(countermeasure.examine(case) for countermeasure in self.countermeasures)
        objections = tuple(f"{f.countermeasure}: {f.objection}" for f in findings if f.objection is not None)
        verdict = dataclasses.replace(
            case.verdict,
            decision=Decision.INCONCLUSIVE if objections else Decision.OWNED,
            reasons=(*case.verdict.reasons, *objections),
        )
        return Ruling(verdict=verdict, findings=findings)


SWITCHES: dict[str, Policy] = {
    "none": Policy(),
    **{
        made.name(): Policy(countermeasures=(made,))
        for made in (
            VerifyGeneration(),
            ControlModels(),
            TransferableExampleTest(),
            ComparableControls(),
            JudgeGenerates(),
        )
    },
    "default": Policy(
        countermeasures=(VerifyGeneration(), ControlModels(), TransferableExampleTest(), ComparableControls())
    ),
    "planned": Policy(countermeasures=(VerifyGeneration(), CountPlans())),
}
"""Policies by name. The default is what studies/false_claims.toml justifies; a claim with a plan is judged by the last
one, without control models."""


def policy(name: str) -> Policy:
    """The policy of this name; ``UnknownName`` when there is none."""
    if name not in SWITCHES:
        raise UnknownName.among("policy", name, SWITCHES)
    return SWITCHES[name]
