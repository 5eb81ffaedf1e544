from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stealproof.defenses.answers.labels_only import LabelsOnly
from stealproof.defenses.answers.round_scores import RoundScores
from stealproof.defenses.answers.top_k import TopK
from stealproof.errors import AccessDenied, BudgetExceeded, InputError, QueryRefused
from stealproof.oracle import Access, Answer, Answers, Budget, Domain, Oracle, Transcript
from stealproof.oracles.guarded import GuardedOracle
from stealproof.roles.guard import Guard, Refusal


class Fixed(Oracle):
    """Answers every query with the same row, of the kind that its access says."""

    row = np.asarray([0.123456, 0.6, 0.276544])

    def _answer(self, queries: NDArray[Any]) -> Answers:
        if self.access.answer is Answer.LABELS:
            return Answers(labels=np.full(len(queries), 1))
        return Answers(scores=np.tile(self.row, (len(queries), 1)))


@dataclass(frozen=True, kw_only=True)
class Bouncer(Guard):
    retry_after: float | None = None

    def answer(self, client: str, queries: NDArray[Any], answers: Answers) -> Answers | Refusal:
        return Refusal(reason="too many queries", retry_after=self.retry_after) if len(queries) > 2 else answers


def fixed(access: Access | None = None, **keywords: Any) -> Fixed:
    return Fixed(domain=Domain(shape=(2,)), classes=3, access=access, **keywords)


def test_guards_act_in_order_and_narrow_the_access() -> None:
    oracle = GuardedOracle(fixed(), [RoundScores(decimals=2), TopK(k=2)])
    assert oracle.access == Access(answer=Answer.TOP_K, top_k=2, decimals=2)
    answers = oracle.query(np.zeros((1, 2)))
    np.testing.assert_array_equal(answers.scores, [[np.nan, 0.6, 0.28]])
    last = GuardedOracle(oracle, [LabelsOnly()])
    assert last.access == Access(answer=Answer.LABELS)
    assert last.query(np.zeros((1, 2))).scores is None


def test_spending_counts_everywhere() -> None:
    inner, budget = fixed(budget=Budget(limit=10)), Budget(limit=6)
    oracle = GuardedOracle(GuardedOracle(inner, []), [TopK()], budget=budget)
    view = oracle.limited(5)
    view.query(np.zeros((4, 2)))
    assert (view.budget.spent, budget.spent, inner.budget.spent) == (4, 4, 4)
    with pytest.raises(BudgetExceeded):
        oracle.query(np.zeros((3, 2)))
    assert inner.budget.spent == 4


def test_the_inner_budget_limits_too() -> None:
    oracle = GuardedOracle(fixed(budget=Budget(limit=3)), [])
    assert oracle.budget.remaining == 3
    with pytest.raises(BudgetExceeded):
        oracle.query(np.zeros((4, 2)))
    assert oracle.budget.spent == 0


def test_a_budget_counts_against_one_oracle_only() -> None:
    budget, inner = Budget(), fixed()
    GuardedOracle(inner, [], budget=budget)
    GuardedOracle(inner, [], budget=budget)
    with pytest.raises(InputError, match="already counts against another oracle"):
        GuardedOracle(fixed(), [], budget=budget)


def test_each_side_of_the_guards_has_its_transcript() -> None:
    before, after = Transcript(), Transcript()
    GuardedOracle(fixed(transcript=before), [LabelsOnly()], transcript=after).query(np.zeros((2, 2)))
    assert before.all_answers().scores is not None
    assert after.all_answers().scores is None
    assert len(before.all_queries()) == len(after.all_queries()) == 2


@pytest.mark.parametrize(("retry_after", "advice"), [(None, "ask as another client"), (2.5, "try again after 2.5 s")])
def test_a_refusal_is_an_error_and_its_queries_stay_counted(retry_after: float | None, advice: str) -> None:
    oracle = GuardedOracle(fixed(), [Bouncer(retry_after=retry_after)], client="alice")
    oracle.query(np.zeros((2, 2)))
    with pytest.raises(QueryRefused, match=f"refused the queries of alice: too many queries; {advice}") as caught:
        oracle.query(np.zeros((3, 2)))
    assert caught.value.retry_after == retry_after
    assert caught.value.exit_code == 2
    assert oracle.budget.spent == 5


def test_guards_that_do_not_fit_are_refused_at_once() -> None:
    with pytest.raises(AccessDenied, match="top_k shows probabilities, but the model answers logits"):
        GuardedOracle(fixed(Access(answer=Answer.LOGITS)), [TopK()])
    with pytest.raises(AccessDenied, match="labels_only hardens a classifier's answers, not text"):
        GuardedOracle(fixed(Access(answer=Answer.TEXT)), [LabelsOnly()])
    with pytest.raises(InputError, match="at least 1 probability, got k=0"):
        GuardedOracle(fixed(), [TopK(k=0)])
    with pytest.raises(InputError, match="0 decimals or more, got -1"):
        GuardedOracle(fixed(), [RoundScores(decimals=-1)])
