"""Top-k: show the k largest probabilities and withhold the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.defenses.answers._scores import check_classifier
from stealproof.errors import AccessDenied, InputError
from stealproof.oracle import Access, Answer, Answers, narrowed
from stealproof.roles.guard import Guard
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class TopK(Guard):
    """One of the granularities of answers that the paper compares; a coarser answer makes a worse surrogate."""

    source = Source(
        authors="Atli, Szyller, Juuti, Marchal, Asokan",
        title="Extraction of Complex DNN Models: Real Threat or Boogeyman?",
        venue="EDSMLS (AAAI workshop)",
        year=2020,
        url="https://arxiv.org/abs/1910.05429",
    )
    departure = "k has a default (3), which the paper does not fix"

    k: int = 3
    """How many of the largest probabilities are shown, at least 1."""

    def narrows(self, access: Access) -> Access:
        """At most the top k of the probabilities seen before; labels stay labels."""
        check_classifier(self.name(), access)
        if self.k < 1:
            raise InputError(f"top_k must show at least 1 probability, got k={self.k}; use labels_only to show none")
        if access.answer is Answer.LABELS:
            return access
        if access.answer is Answer.LOGITS:
            raise AccessDenied("top_k shows probabilities, but the model answers logits; let it answer probabilities")
        shown = self.k if access.top_k is None else min(self.k, access.top_k)
        return narrowed(access, answer=Answer.TOP_K, top_k=shown)

    def answer(self, client: str, queries: NDArray[Any], answers: Answers) -> Answers:
        """``answers`` with all but the k largest scores of each row NaN; of equal scores the first class is shown."""
        if answers.scores is None:
            return answers
        order = np.argsort(-answers.scores, axis=1, kind="stable")
        shown = np.full_like(answers.scores, np.nan)
        rows = np.arange(len(shown))[:, None]
        shown[rows, order[:, : self.k]] = answers.scores[rows, order[:, : self.k]]
        return Answers(labels=answers.predicted, scores=shown)
