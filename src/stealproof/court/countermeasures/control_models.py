"""Control models: whoever is accused has to stand out from models that are known to be independent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stealproof.court.case import Case, Complaint
from stealproof.court.countermeasures.countermeasure import Countermeasure
from stealproof.errors import InputError
from stealproof.measures.conformal import conformal_p_value, controls_needed


@dataclass(frozen=True, kw_only=True)
class ControlModels(Countermeasure):
    """Require that the suspect stands out from independent models.

    Its conformal p-value must be at most the level, and it must lie ``lead`` times as far above the median control as
    the highest one does. The p-value alone lets a share of innocents as large as the level pass; who is a copy lies far
    beyond all controls, and who is the luckiest of a hundred does not.
    """

    judges: ClassVar[bool] = True
    lead: float = 2.0
    """At least 1; 1 for the conformal p-value alone."""

    def _about_claim(self, complaint: Complaint) -> str | None:
        if not self.lead >= 1:
            raise InputError(f"lead must be at least 1, got {self.lead}")
        given, needed = len(complaint.controls), controls_needed(complaint.level)
        if given < needed:
            return f"at the level {complaint.level:g} it takes {needed} control models, got {given}"
        # Here, so that its price is that of the claim, not of the first suspect.
        _ = complaint.calibration
        return None

    def _about_suspect(self, case: Case) -> str | None:
        found, statistic = case.complaint.calibration.statistics, case.verdict.statistic
        p_value = conformal_p_value(statistic, found)
        if p_value > case.complaint.level:
            return f"the suspect does not stand out from {len(found)} control models (p = {p_value:.3g})"
        usual, highest = float(np.median(found)), max(found)
        wanted = usual + self.lead * (highest - usual)
        if statistic < wanted:
            return (
                f"the suspect's statistic {statistic:.3g} is hardly above the highest of {len(found)} control models,"
                f" {highest:.3g}; it would have to be {wanted:.3g}"
            )
        return None
