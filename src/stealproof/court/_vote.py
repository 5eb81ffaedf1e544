"""The vote of the control models: one model that nobody can have stolen, made by the judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import InputError
from stealproof.oracle import Access, Answer, Answers, Oracle


@final
class Vote(Oracle):
    """The mean of what several models answer."""

    def __init__(self, voters: Sequence[Oracle]) -> None:
        """``voters`` answer labels or scores about the same task; at least 1."""
        if not voters:
            raise InputError("a vote needs at least 1 control model, got none")
        first = voters[0]
        super().__init__(domain=first.domain, classes=first.classes, access=Access(answer=Answer.PROBABILITIES))
        self._voters = tuple(voters)

    def _answer(self, queries: NDArray[Any]) -> Answers:
        shares = [voter.query(queries).distributions(self.classes, voter.access) for voter in self._voters]
        mean = np.mean(shares, axis=0)
        return Answers(labels=mean.argmax(axis=1), scores=mean)
