"""A suspect before a judge: metered, with an eye on whether its answers mean anything."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from stealproof.oracle import Answers, Budget, Oracle

PROBE = 16
"""Inputs that are asked a second time, to see whether the suspect contradicts itself."""


@final
class WatchedSuspect(Oracle):
    """A suspect, metered, with an eye on whether its answers mean anything."""

    def __init__(self, inner: Oracle) -> None:
        """``inner`` is the suspect; what is spent here counts against its budget, too."""
        super().__init__(
            domain=inner.domain,
            classes=inner.classes,
            access=inner.access,
            budget=Budget(parent=inner.budget),
            transcript=inner.transcript,
        )
        self._inner = inner
        self._seen: set[int] = set()
        self._first: tuple[NDArray[Any], NDArray[np.int64]] | None = None
        self.failed: Exception | None = None
        """What the suspect itself raised, which nobody's claim is to blame for."""
        self.asked_again = 0
        self.contradictions = 0

    def _answer(self, queries: NDArray[Any]) -> Answers:
        try:
            answers = self._inner._answer(queries)
        except Exception as error:
            self.failed = error
            raise
        if answers.labels is not None or answers.scores is not None:
            predicted = answers.predicted
            self._seen.update(np.unique(predicted).tolist())
            if self._first is None:
                self._first = queries[:PROBE].copy(), predicted[:PROBE]
        return answers

    @property
    def constant(self) -> int | None:
        """The only label that the suspect gave to ``PROBE`` inputs or more, or None."""
        return next(iter(self._seen)) if len(self._seen) == 1 and self.budget.spent >= PROBE else None

    def ask_again(self) -> None:
        """Repeat the first few inputs."""
        if self._first is not None:
            queries, before = self._first
            self.asked_again = len(queries)
            self.contradictions = int((self.query(queries).predicted != before).sum())
