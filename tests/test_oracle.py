from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from stealproof.errors import BudgetExceeded, InvalidData, OracleUnavailable
from stealproof.oracle import Access, Answer, Answers, Budget, Domain, Oracle, Transcript, check_answers, narrowed

LABELS = Access(answer=Answer.LABELS)
LOGITS = Access(answer=Answer.LOGITS)
TOP_2 = Access(answer=Answer.TOP_K, top_k=2)

finite = st.floats(-50, 50, width=32)
logit_rows = hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(2, 7)), elements=finite)


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    return Answers(scores=logits).distributions(logits.shape[1], LOGITS)


class Linear(Oracle):
    """Answers the softmax of its inputs and counts the batches that reach it."""

    batches = 0

    def _answer(self, queries: NDArray[Any]) -> Answers:
        self.batches += 1
        return Answers(scores=softmax(queries))


class Broken(Oracle):
    """Loses every answer."""

    def _answer(self, queries: NDArray[Any]) -> Answers:
        raise OracleUnavailable("gone")


def linear(**keywords: Any) -> Linear:
    return Linear(domain=Domain(shape=(3,)), classes=3, **keywords)


# Domain


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 4)), r"expected queries of shape \(n, 3\), got \(2, 4\)"),
        (np.zeros(3), r"expected queries of shape \(n, 3\), got \(3,\)"),
        (np.float64(1), r"expected queries of shape \(n, 3\), got \(\)"),
        (np.zeros((0, 3)), "expected at least 1 query, got an empty batch"),
        (np.full((1, 3), "a"), "expected queries of a numeric dtype, got <U1"),
        (np.full((1, 3), np.nan), "queries contain 3 NaN values; this oracle wants complete inputs"),
        (np.full((1, 3), np.inf), "queries contain infinite values"),
        (np.full((1, 3), 255), r"queries must lie in \[0, 1\], got values from 255 to 255; scale or clip them first"),
        (np.full((1, 3), -0.1), r"queries must lie in \[0, 1\], got values from -0.1"),
    ],
)
def test_bad_queries_are_refused_and_cost_nothing(x: Any, message: str) -> None:
    oracle = linear()
    with pytest.raises(InvalidData, match=message):
        oracle.query(x)
    assert oracle.budget.spent == 0
    assert oracle.batches == 0


def test_nan_marks_a_missing_feature_only_where_declared() -> None:
    Domain(shape=(3,)).check(np.asarray([[np.nan, 0.5, 1.0]]), incomplete=True)
    with pytest.raises(InvalidData, match="must lie in"):
        Domain(shape=(3,)).check(np.asarray([[np.nan, 0.5, 2.0]]), incomplete=True)


@given(
    low=st.floats(-5, 0, width=16),
    width=st.floats(0.5, 5, width=16),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    count=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_uniform_and_clipped_inputs_are_legal(
    low: float, width: float, shape: list[int], count: int, seed: int
) -> None:
    domain = Domain(shape=tuple(shape), low=low, high=low + width)
    x = domain.uniform(count, np.random.default_rng(seed))
    domain.check(x)
    domain.check(x.astype(np.float32))
    domain.check(domain.clip(10 * x))
    assert np.array_equal(domain.clip(x), x)
    assert np.array_equal(x, domain.uniform(count, np.random.default_rng(seed)))


def test_uniform_inputs_take_listed_levels_and_read_an_unbounded_side_as_one() -> None:
    domain = Domain(shape=(2,), low=-np.inf, high=np.inf, levels={1: (0.0, 1.0)})
    x = domain.uniform(1000, np.random.default_rng(0))
    assert set(x[:, 1]) == {0.0, 1.0}
    assert -1 <= x[:, 0].min() < -0.9
    assert 0.9 < x[:, 0].max() <= 1


# Budget


@given(
    limits=st.lists(st.none() | st.integers(1, 30), min_size=1, max_size=4),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 12)), max_size=20),
)
def test_no_budget_in_a_chain_is_ever_overspent(limits: list[int | None], steps: list[tuple[int, int]]) -> None:
    chain: list[Budget] = []
    for limit in limits:
        chain.append(Budget(limit=limit, parent=chain[-1] if chain else None))
    asked = [0] * len(chain)
    for depth, queries in steps:
        spender = depth % len(chain)
        before, remaining = [b.spent for b in chain], chain[spender].remaining
        if remaining is not None and queries > remaining:
            with pytest.raises(BudgetExceeded, match=f"{queries} queries asked, {remaining} left"):
                chain[spender].spend(queries)
            assert [b.spent for b in chain] == before
        else:
            chain[spender].spend(queries)
            asked[spender] += queries
    for position, budget in enumerate(chain):
        assert budget.spent == sum(asked[position:])
        assert budget.limit is None or budget.spent <= budget.limit


@pytest.mark.parametrize("limit", [0, -3])
def test_a_budget_is_at_least_one_query(limit: int) -> None:
    with pytest.raises(BudgetExceeded, match=f"budget must be at least 1 query, got {limit}"):
        Budget(limit=limit)
    with pytest.raises(BudgetExceeded, match="at least 1 query"):
        linear().limited(limit)


# Oracle


def test_one_query_is_one_input() -> None:
    oracle = linear(budget=Budget(limit=10))
    oracle.query(np.zeros((4, 3)))
    oracle.ask(np.zeros((5, 3)), batch=2)
    assert oracle.budget.spent == 9
    assert oracle.batches == 4
    with pytest.raises(BudgetExceeded, match="2 queries asked, 1 left of the budget"):
        oracle.query(np.zeros((2, 3)))
    assert oracle.batches == 4


def test_queries_stay_counted_when_the_answer_is_lost() -> None:
    oracle = Broken(domain=Domain(shape=(3,)), classes=3)
    with pytest.raises(OracleUnavailable):
        oracle.query(np.zeros((4, 3)))
    assert oracle.budget.spent == 4


def test_tensors_are_accepted() -> None:
    x = torch.rand(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    scores = linear().query(x).scores
    assert scores is not None
    np.testing.assert_allclose(scores, torch.softmax(x, dim=1).detach().numpy(), rtol=1e-6)


@given(batch=st.integers(1, 12))
def test_batches_join_in_order(batch: int) -> None:
    x = np.random.default_rng(0).random((11, 3))
    np.testing.assert_array_equal(linear().ask(x, batch=batch).scores, softmax(x))


def test_asking_nothing_is_an_error() -> None:
    with pytest.raises(InvalidData, match="empty batch"):
        linear().ask(np.zeros((0, 3)))


def test_a_limited_view_counts_against_both_budgets_and_shares_the_transcript() -> None:
    oracle = linear(budget=Budget(limit=10), transcript=Transcript())
    view = oracle.limited(20)
    assert view.budget.remaining == 10
    view.query(np.full((3, 3), 0.5))
    oracle.query(np.zeros((1, 3)))
    assert (view.budget.spent, oracle.budget.spent) == (3, 4)
    assert oracle.transcript is not None
    assert oracle.transcript.all_queries().shape == (4, 3)
    assert len(oracle.transcript.all_answers()) == 4


def test_a_transcript_keeps_its_own_copy() -> None:
    transcript, x = Transcript(), np.zeros((2, 3))
    linear(transcript=transcript).query(x)
    x[:] = 1
    assert not transcript.all_queries().any()


# Answers


@pytest.mark.parametrize(
    ("answers", "access", "message"),
    [
        (Answers(), LABELS, "expected 2 answers, got 0"),
        (Answers(labels=np.asarray([0])), LABELS, "expected 2 answers, got 1"),
        (Answers(labels=np.asarray([0, 3])), LABELS, r"expected labels in 0..2, got 0..3"),
        (Answers(labels=np.asarray([0, 1])), Access(), "expected probabilities, got labels only"),
        (Answers(scores=np.full((2, 4), 0.25)), Access(), r"expected scores of shape \(2, 3\), got \(2, 4\)"),
        (Answers(scores=np.full((2, 3), np.nan)), LOGITS, "expected finite logits"),
        (Answers(scores=np.full((2, 3), 0.5)), Access(), "rows that sum to 1.5..1.5; if the server answers logits"),
        (Answers(scores=np.full((2, 3), 0.2)), Access(), "rows that sum to 0.6"),
        (Answers(scores=np.asarray([[2.0, -1, 0]] * 2)), Access(), "expected probabilities between 0 and 1"),
        (Answers(scores=np.asarray([[0.5, 0.5, np.nan]] * 2)), Access(), "got NaN or values outside"),
        (Answers(scores=np.full((2, 3), np.nan)), TOP_2, r"expected 1 to 2 scores a row, got 0..0"),
        (Answers(scores=np.full((2, 3), 1 / 3)), TOP_2, r"expected 1 to 2 scores a row, got 3..3"),
        (Answers(scores=np.asarray([[0.9, 0.9, np.nan]] * 2)), TOP_2, "rows that sum to 1.8"),
    ],
)
def test_answers_that_are_not_what_was_promised(answers: Answers, access: Access, message: str) -> None:
    with pytest.raises(OracleUnavailable, match=message):
        check_answers(answers, count=2, classes=3, access=access)


@given(logits=logit_rows)
def test_a_softmax_is_a_simplex_and_keeps_the_label(logits: NDArray[np.float64]) -> None:
    count, classes = logits.shape
    scores = softmax(logits)
    check_answers(Answers(scores=scores), count=count, classes=classes, access=Access())
    top = logits[np.arange(count), Answers(scores=scores).predicted]
    np.testing.assert_allclose(top, logits.max(axis=1), atol=1e-6)
    # float16 servers round to about three digits.
    half = Answers(scores=scores.astype(np.float16))
    check_answers(half, count=count, classes=classes, access=Access())


@given(logits=logit_rows, decimals=st.integers(0, 5), shown=st.integers(1, 7))
def test_distributions_are_simplices_whatever_was_withheld(
    logits: NDArray[np.float64], decimals: int, shown: int
) -> None:
    classes = logits.shape[1]
    scores = softmax(logits)
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    for seen in (scores, np.round(scores, decimals), np.where(ranks < shown, scores, np.nan)):
        p = Answers(scores=seen).distributions(classes, Access())
        assert (p >= 0).all()
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-9)


def test_withheld_mass_is_spread_evenly() -> None:
    p = Answers(scores=np.asarray([[0.6, np.nan, np.nan]])).distributions(3, TOP_2)
    np.testing.assert_allclose(p, [[0.6, 0.2, 0.2]])


def test_labels_become_one_hot() -> None:
    np.testing.assert_array_equal(Answers(labels=np.asarray([2, 0])).distributions(3, LABELS), [[0, 0, 1], [1, 0, 0]])


def test_answers_of_no_classifier_have_no_label() -> None:
    with pytest.raises(InvalidData, match="got neither labels nor scores"):
        _ = Answers(outputs=["a"]).predicted
    with pytest.raises(InvalidData, match="got neither labels nor scores"):
        Answers(outputs=["a"]).distributions(3, Access())
    assert len(Answers(outputs=["a", "b"])) == 2


def test_access_in_words() -> None:
    assert str(TOP_2) == "top-2 probabilities"
    assert str(narrowed(Access(), decimals=3)) == "probabilities, 3 decimals"
    assert str(Access(incomplete=True)) == "probabilities, incomplete queries"


def test_batches_with_and_without_labels_or_scores_lose_no_row() -> None:
    scores = np.array([[0.2, 0.8], [0.9, 0.1]])
    mixed = Answers.joined([Answers(scores=scores), Answers(labels=np.array([1]), scores=scores[1:])])
    assert mixed.predicted.tolist() == [1, 0, 1]
    assert mixed.scores is not None
    assert len(mixed.scores) == len(mixed) == 3
    poorer = Answers.joined([Answers(scores=scores), Answers(labels=np.array([1]))])
    assert (poorer.predicted.tolist(), poorer.scores) == ([1, 0, 1], None)
