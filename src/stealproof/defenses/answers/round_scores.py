"""Rounding: show scores with a few decimals only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.defenses.answers._scores import check_classifier
from stealproof.errors import InputError
from stealproof.oracle import Access, Answer, Answers, narrowed
from stealproof.roles.guard import Guard
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class RoundScores(Guard):
    """Section 7: two or three decimals hurt an equation-solving thief, four or five hardly do."""

    source = Source(
        authors="Tramèr, Zhang, Juels, Reiter, Ristenpart",
        title="Stealing Machine Learning Models via Prediction APIs",
        venue="USENIX Security",
        year=2016,
        url="https://arxiv.org/abs/1609.02943",
    )

    decimals: int = 2
    """Decimals that are shown, 0 or more. The paper tries 2 to 5."""

    def narrows(self, access: Access) -> Access:
        """The scores seen before, at most this precise; labels stay labels."""
        check_classifier(self.name(), access)
        if self.decimals < 0:
            raise InputError(f"round_scores must keep 0 decimals or more, got {self.decimals}")
        if access.answer is Answer.LABELS:
            return access
        shown = self.decimals if access.decimals is None else min(self.decimals, access.decimals)
        return narrowed(access, decimals=shown)

    def answer(self, client: str, queries: NDArray[Any], answers: Answers) -> Answers:
        """``answers`` with rounded scores; the label stays that of the unrounded ones. Rows need not sum to 1."""
        if answers.scores is None:
            return answers
        return Answers(labels=answers.predicted, scores=np.round(answers.scores, self.decimals))
