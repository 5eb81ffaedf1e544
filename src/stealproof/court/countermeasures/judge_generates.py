"""Judge generates: the triggers are made by the judge, in place of the accuser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stealproof import seeds
from stealproof.claims import Claim, Decision
from stealproof.court.case import Case, Complaint
from stealproof.court.countermeasures.countermeasure import Countermeasure
from stealproof.errors import InputError, InvalidData
from stealproof.roles.ownership import Fingerprint, model_digest
from stealproof.roles.trial import JUDGE, Calibration


@dataclass(frozen=True, kw_only=True)
class JudgeGenerates(Countermeasure):
    """Make the triggers in place of the accuser: a fingerprint anew from the opened model, a watermark derived only."""

    judges: ClassVar[bool] = True

    def _about_claim(self, complaint: Complaint) -> str | None:
        if not isinstance(complaint.scheme, Fingerprint):
            derived = "beacon" in complaint.claim.secrets
            return None if derived else "nobody but the accuser could choose the triggers of this watermark"
        if complaint.opened is None:
            return "the accuser did not open model and data to the judge"
        if model_digest(complaint.opened.model) != complaint.claim.model_digest:
            return "the model that the accuser opened is not the one of its claim"
        try:
            self._generated(complaint)
        except (InputError, InvalidData) as error:
            return f"the judge could make no such fingerprint of the opened model: {error}"
        return None

    def _about_suspect(self, case: Case) -> str | None:
        complaint = case.complaint
        if not isinstance(complaint.scheme, Fingerprint):
            return None
        claim, calibration = self._generated(complaint)
        verdict = complaint.scheme.verify(
            claim,
            case.suspect,
            level=complaint.level,
            seed=complaint.seed,
            model=case.model,
            calibration=calibration,
        )
        if verdict.decision is Decision.OWNED:
            return None
        return f"with a fingerprint of the judge's own making the verdict is {verdict.decision}: {verdict.reasons[0]}"

    @staticmethod
    def _generated(complaint: Complaint) -> tuple[Claim, Calibration]:
        def make() -> tuple[Claim, Calibration]:
            scheme, opened = complaint.scheme, complaint.opened
            assert isinstance(scheme, Fingerprint)
            assert opened is not None
            claim = scheme.enroll(opened.model, opened.data, seed=seeds.derive(complaint.seed, JUDGE, "enrolment"))
            return claim, complaint.calibrate(claim)

        return complaint.once("the judge's fingerprint", make)[0]
