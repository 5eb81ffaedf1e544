"""Signs of the model's first weights: a fingerprint that opens the suspect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.measures.binomial import critical_matches, matches_p_value
from stealproof.roles.ownership import Fingerprint
from stealproof.roles.trial import Enrolment, Examination, Trial


@dataclass(frozen=True, kw_only=True)
class ToyWeights(Fingerprint):
    """White-box."""

    null = "the suspect's weights have signs of their own"

    def opens_model(self) -> bool:
        return True

    def _enroll(self, enrolment: Enrolment) -> Mapping[str, Any]:
        return {"signs": _signs(enrolment.model)}

    def _examine(self, trial: Trial) -> Examination:
        assert trial.model is not None
        signs = trial.secret("signs")
        matches = int((_signs(trial.model) == signs).sum())
        return Examination(
            statistic=matches,
            p_value=matches_p_value(matches, len(signs), 0.5),
            threshold=critical_matches(len(signs), 0.5, trial.level),
        )


def _signs(model: torch.nn.Module) -> NDArray[np.bool_]:
    weights = next(iter(model.parameters())).detach().flatten().numpy()
    return np.asarray(weights[:200] > 0)
