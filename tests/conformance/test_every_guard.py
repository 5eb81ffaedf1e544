"""What every guard in the catalog owes: the answers that its ``narrows`` promises, and no more than it was given."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stealproof import catalog
from stealproof.errors import AccessDenied, QueryRefused
from stealproof.oracle import Access, Answer, Answers, Domain, Oracle, check_answers
from stealproof.oracles.guarded import GuardedOracle
from stealproof.roles.guard import Guard, Refusal
from stealproof.roles.ownership import Watermark

CLASSES = 5
KEY = "5a" * 32
RNG = np.random.default_rng(0)
QUERIES = RNG.random((40, 6))
WEIGHTS = 4 * RNG.normal(size=(6, CLASSES))
ACCESSES = (
    Access(answer=Answer.LABELS),
    Access(answer=Answer.TOP_K, top_k=2),
    Access(),
    Access(decimals=3),
    Access(answer=Answer.LOGITS),
)
TELLING = (Answer.LABELS, Answer.TOP_K, Answer.PROBABILITIES, Answer.LOGITS)


class Victim(Oracle):
    """A linear model that answers what its access says."""

    def _answer(self, queries: NDArray[Any]) -> Answers:
        logits = queries @ WEIGHTS
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        if self.access.answer is Answer.LABELS:
            return Answers(labels=logits.argmax(axis=1))
        if self.access.answer is Answer.LOGITS:
            return Answers(scores=logits)
        if self.access.answer is Answer.TOP_K:
            ranks = np.argsort(np.argsort(-scores, axis=1), axis=1)
            scores = np.where(ranks < (self.access.top_k or CLASSES), scores, np.nan)
        return Answers(scores=scores if self.access.decimals is None else np.round(scores, self.access.decimals))


def victim(access: Access) -> Victim:
    return Victim(domain=Domain(shape=(6,)), classes=CLASSES, access=access)


def accepted() -> list[Any]:
    """Every guard with every access that it can work on."""
    pairs = []
    for name in catalog.names("guard"):
        for access in ACCESSES:
            guard = catalog.make(name, "guard")
            if isinstance(guard, Watermark):
                # Of 40 queries this key marks some in one batch and none in another, see below.
                guard = guard.make({**guard.parameters(), "rate": 0.05})
                guard.use_key(KEY)
            try:
                guard.narrows(access)
            except AccessDenied:
                continue
            pairs.append(pytest.param(guard, access, id=f"{name}-{access}"))
    return pairs


ACCEPTED = accepted()
pairs = pytest.mark.parametrize(("guard", "access"), ACCEPTED)


@pytest.mark.parametrize("name", catalog.names("guard"))
def test_every_guard_works_on_some_access(name: str) -> None:
    assert any(pair.values[0].name() == name for pair in ACCEPTED)


@pairs
def test_narrows_never_widens(guard: Guard, access: Access) -> None:
    narrowed = guard.narrows(access)
    assert TELLING.index(narrowed.answer) <= TELLING.index(access.answer)
    assert narrowed.incomplete <= access.incomplete
    if access.decimals is not None and narrowed.answer is not Answer.LABELS:
        assert narrowed.decimals is not None
        assert narrowed.decimals <= access.decimals
    if access.top_k is not None and narrowed.answer is Answer.TOP_K:
        assert narrowed.top_k is not None
        assert narrowed.top_k <= access.top_k


@pairs
def test_answers_are_what_narrows_promises(guard: Guard, access: Access) -> None:
    oracle = GuardedOracle(victim(access), [guard])
    assert oracle.access == guard.narrows(access)
    try:
        answers = oracle.ask(QUERIES, batch=16)
    except QueryRefused:
        return
    check_answers(answers, count=len(QUERIES), classes=CLASSES, access=oracle.access)
    if oracle.access.answer is Answer.LABELS:
        assert answers.scores is None
    if oracle.access.decimals is not None and answers.scores is not None:
        np.testing.assert_allclose(answers.scores, np.round(answers.scores, oracle.access.decimals), atol=1e-12)


@pairs
def test_what_it_is_given_stays_as_it_was(guard: Guard, access: Access) -> None:
    given = victim(access).query(QUERIES)
    before, queries = copy.deepcopy(given), QUERIES.copy()
    returned = guard.answer("a client", queries, given)
    assert isinstance(returned, Answers | Refusal)
    np.testing.assert_array_equal(queries, QUERIES)
    for name in ("labels", "scores"):
        was, now = getattr(before, name), getattr(given, name)
        assert (was is None) == (now is None)
        if was is not None:
            np.testing.assert_array_equal(was, now)
