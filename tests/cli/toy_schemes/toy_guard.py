"""Lies to one client in a hundred: a watermark that only marks answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from stealproof.oracle import Answers
from stealproof.roles.guard import Guard, Refusal
from stealproof.roles.ownership import Watermark
from stealproof.roles.trial import Examination, Trial


@dataclass(frozen=True, kw_only=True)
class ToyGuard(Watermark, Guard):
    """Marks nothing that is trained."""

    null = "the suspect never asked"

    def answer(self, client: str, queries: NDArray[Any], answers: Answers) -> Answers | Refusal:
        return answers

    def _examine(self, trial: Trial) -> Examination:
        return Examination(statistic=0.0, p_value=1.0)
