"""Verify generation: make derived triggers again, and let nothing be chosen after the suspect was there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stealproof.court.case import Case, Complaint
from stealproof.court.countermeasures.countermeasure import Countermeasure
from stealproof.errors import EvidenceError
from stealproof.measures.welch import welch_test
from stealproof.ownership._derived_book import regenerated
from stealproof.roles.trial import Trial


@dataclass(frozen=True, kw_only=True)
class VerifyGeneration(Countermeasure):
    """Make derived triggers again, and let nothing be chosen after the suspect was there.

    A claim that says which of its inputs are training rows (dataset inference) rests on members and others having been
    dealt from one pile: control models, which know neither kind, must not find one kind easier. That refuses an honest
    claim as often as the level says. Whether the rows were trained on is the accuser's word, so nothing rests on it.
    """

    def _about_claim(self, complaint: Complaint) -> str | None:
        return _unlike(complaint) if "members" in complaint.claim.secrets else None

    def _about_suspect(self, case: Case) -> str | None:
        secrets = case.complaint.claim.secrets
        if "members" in secrets:
            return None
        if "beacon" not in secrets:
            late = "the accuser chose the triggers, and no timestamp shows that it did before the suspect was there"
            return None if case.precedes else late
        trial = Trial(
            claim=case.complaint.claim,
            suspect=case.suspect,
            model=None,
            level=case.complaint.level,
            seed=case.complaint.seed,
            progress=lambda what, share: None,
        )
        try:
            regenerated(trial)
        except EvidenceError as error:
            return str(error)
        return None


def _unlike(complaint: Complaint) -> str | None:
    """Whether control models, which know neither, find members easier or harder than the others."""
    if not complaint.controls:
        return "without control models nobody can tell whether members and others were dealt from one pile"
    secrets, vote = complaint.claim.secrets, complaint.vote
    labels, members = np.asarray(secrets["labels"]), np.asarray(secrets["members"], dtype=bool)
    if labels.dtype.kind not in "iu" or not 0 <= labels.min() <= labels.max() < vote.classes:
        return f"the claimed rows have labels that are none of the {vote.classes} classes"
    sure = vote.ask(secrets["inputs"]).distributions(vote.classes, vote.access)[np.arange(len(labels)), labels]
    sides = [welch_test(sure[one], sure[~one], level=complaint.level).p_value for one in (members, ~members)]
    p_value = min(1.0, 2 * min(sides))
    if p_value > complaint.level:
        return None
    return (
        f"models that know neither find the claimed members unlike the other inputs (p = {p_value:.3g}), so that they"
        " were not dealt from one pile"
    )
