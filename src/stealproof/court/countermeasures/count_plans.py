"""Count plans: of triggers that nobody chose, all that is left to an accuser is to have made many plans."""

from __future__ import annotations

from dataclasses import dataclass

from stealproof.claims import Claim, Decision
from stealproof.court.case import Case
from stealproof.court.countermeasures.countermeasure import Countermeasure
from stealproof.ownership._derived_book import inputs_follow

GRINDABLE = 10**9
"""Timestamped plans that an accuser may collect in secret, to show the one whose triggers a suspect answers best. It
can hoard them before there is a suspect as well as after, so no date makes them fewer. Rounds of drand are no other in
this: each timestamp leads to one, and all of them are out before the accuser has to say which plan it shows."""


def nobody_chose(claim: Claim) -> bool:
    """Whether inputs and labels both follow from a beacon, so that they can be no better known to one model."""
    return "beacon" in claim.secrets and inputs_follow(claim.secrets.get("terms", ""))


@dataclass(frozen=True, kw_only=True)
class CountPlans(Countermeasure):
    """Believe derived triggers only, and count them as the best of all plans that an accuser could have hoarded.

    It needs no control models: whoever shows the luckiest of so many plans is tested at a level that pays for all.
    """

    plans: int = GRINDABLE
    """Timestamped plans that nobody may have more of; at least 1."""

    def _about_suspect(self, case: Case) -> str | None:
        complaint = case.complaint
        if not nobody_chose(complaint.claim):
            return "somebody chose the triggers, so that no plan was followed"
        # Asked again, since a test that may stop early stopped where the judge's own level was reached.
        found = complaint.scheme.verify(
            complaint.claim, case.suspect, level=complaint.level / self.plans, seed=complaint.seed, model=case.model
        )
        if found.decision is Decision.OWNED:
            return None
        return f"as the best of {self.plans:,} plans the verdict is {found.decision}: {found.reasons[0]}"
