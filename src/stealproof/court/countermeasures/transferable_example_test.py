"""Transferable-example test: a claim that convicts the vote of independent models convicts anybody."""

from __future__ import annotations

from dataclasses import dataclass

from stealproof.claims import Decision
from stealproof.court.case import VOTERS, Complaint
from stealproof.court.countermeasures.countermeasure import Countermeasure
from stealproof.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TransferableExampleTest(Countermeasure):
    """Refuse a claim that convicts the vote of the control models: what convinces it convinces anybody.

    Where a scheme knows its null distribution, the vote is one more model that is independent of the claim's secrets,
    so that an honest claim is refused as often as the level says. Of other claims with labels, the vote must not give
    more than ``share``, which no theory says; the study measures what it refuses.
    """

    share: float = 0.5
    """Of the claimed labels, or of the control networks where a scheme opens them; above 0, at most 1."""

    def _about_claim(self, complaint: Complaint) -> str | None:
        if not 0 < self.share <= 1:
            raise InputError(f"share must be above 0 and at most 1, got {self.share}")
        scheme, claim = complaint.scheme, complaint.claim
        if not complaint.controls:
            return "there is no vote of control models that the claim could be shown to fail on"
        if scheme.opens_model():
            return self._in_networks(complaint)
        if not scheme.exact and "labels" not in claim.secrets:
            return None
        found = scheme.verify(claim, complaint.vote, level=complaint.level, seed=complaint.seed)
        if scheme.exact and found.p_value <= complaint.level:
            return f"the claim convicts the vote of independent models too (p = {found.p_value:.3g})"
        if not scheme.exact and found.statistic > self.share:
            return f"the vote of independent models gives {found.statistic:.0%} of the claimed labels too"
        return None

    def _in_networks(self, complaint: Complaint) -> str | None:
        """Networks have no vote that could be opened, so the claim is held against each, and convicts few of them."""
        voters = list(zip(complaint.controls, complaint.networks or (), strict=True))[:VOTERS]
        found = [
            complaint.scheme.verify(
                complaint.claim, oracle, level=complaint.level, seed=complaint.seed, model=network
            ).decision
            for oracle, network in voters
        ]
        convicted = found.count(Decision.OWNED)
        if convicted > self.share * len(found):
            return f"the claim convicts {convicted} of {len(found)} independent networks too"
        return None
