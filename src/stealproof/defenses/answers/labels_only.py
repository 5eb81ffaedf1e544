"""Labels only: answer with the predicted class and withhold every score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from stealproof.defenses.answers._scores import check_classifier
from stealproof.oracle import Access, Answer, Answers, narrowed
from stealproof.roles.guard import Guard
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class LabelsOnly(Guard):
    """The natural countermeasure (sections 6 and 7): it raises the price of a theft and does not prevent it."""

    source = Source(
        authors="Tramèr, Zhang, Juels, Reiter, Ristenpart",
        title="Stealing Machine Learning Models via Prediction APIs",
        venue="USENIX Security",
        year=2016,
        url="https://arxiv.org/abs/1609.02943",
    )

    def narrows(self, access: Access) -> Access:
        """Labels, whatever was seen before."""
        check_classifier(self.name(), access)
        return narrowed(access, answer=Answer.LABELS, top_k=None, decimals=None)

    def answer(self, client: str, queries: NDArray[Any], answers: Answers) -> Answers:
        """The labels ``(n,)`` of ``answers``."""
        return Answers(labels=answers.predicted)
