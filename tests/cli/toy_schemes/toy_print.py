"""Scores of the model on test rows; how near a suspect's come is held against control models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from stealproof.oracle import Answer
from stealproof.roles.ownership import Fingerprint
from stealproof.roles.trial import Enrolment, Examination, Trial


@dataclass(frozen=True, kw_only=True)
class ToyPrint(Fingerprint):
    """Needs probabilities, and controls."""

    null = "the suspect is as near to the claimed model as an independent one"
    accepts = frozenset({Answer.PROBABILITIES})
    exact = False
    caveat = "it accuses whoever trained on the same rows"

    rows: int = 20

    def _enroll(self, enrolment: Enrolment) -> Mapping[str, Any]:
        order = enrolment.rng("rows").permutation(len(enrolment.data.test))[: self.rows]
        x = enrolment.data.test.x[torch.as_tensor(order)].float()
        with torch.inference_mode():
            scores = enrolment.model(x).softmax(dim=1).numpy()
        return {"inputs": x.numpy(), "scores": scores}

    def _examine(self, trial: Trial) -> Examination:
        scores = trial.ask(trial.secret("inputs")).scores
        assert scores is not None
        return Examination(statistic=-float(np.abs(scores - trial.secret("scores")).sum(axis=1).mean()))
