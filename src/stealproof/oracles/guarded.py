"""An oracle behind guards: what a client sees of a hardened API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from stealproof.errors import InputError, QueryRefused
from stealproof.oracle import Answers, Budget, Oracle, Transcript, check_answers
from stealproof.roles.guard import Guard, Refusal


class GuardedOracle(Oracle):
    """The answers of an inner oracle after every guard has had its say, in order."""

    def __init__(
        self,
        inner: Oracle,
        guards: Sequence[Guard],
        *,
        client: str = "thief",
        budget: Budget | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        """``client`` is who asks, as guards that watch clients see it.

        What is spent here also counts against the inner oracle's budget: ``budget`` becomes its child. The inner
        oracle's transcript, if it keeps one, records the answers before the guards; ``transcript`` those after.

        Raises:
            AccessDenied: a guard can't work on the answers that reach it.
            InputError: ``budget`` already counts against another oracle.
        """
        access = inner.access
        for guard in guards:
            access = guard.narrows(access)
        super().__init__(
            domain=inner.domain,
            classes=inner.classes,
            access=access,
            budget=_child(budget, inner.budget),
            transcript=transcript,
        )
        self._inner = inner
        self._guards = tuple(guards)
        self._client = client

    def _answer(self, queries: NDArray[Any]) -> Answers:
        """Answer through all guards.

        Raises:
            QueryRefused: a guard gave no answer to this batch; its queries stay counted.
        """
        inner = self._inner
        answers = inner._answer(queries)
        check_answers(answers, count=len(queries), classes=inner.classes, access=inner.access)
        if inner.transcript is not None:
            inner.transcript.record(queries, answers)
        for guard in self._guards:
            given = guard.answer(self._client, queries, answers)
            if isinstance(given, Refusal):
                raise QueryRefused.by(guard.name(), self._client, given.reason, given.retry_after)
            answers = given
        return answers


def _child(budget: Budget | None, parent: Budget) -> Budget:
    """``budget`` as a child of ``parent``, which it may already be."""
    if budget is None:
        return Budget(parent=parent)
    ancestor: Budget | None = budget
    while ancestor is not None:
        if ancestor is parent:
            return budget
        ancestor = ancestor.parent
    if budget.parent is not None:
        raise InputError("the budget already counts against another oracle; give each guarded oracle one of its own")
    budget.parent = parent
    return budget
