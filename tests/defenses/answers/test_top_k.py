from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from stealproof.defenses.answers.top_k import TopK
from stealproof.oracle import Access, Answer, Answers, check_answers

simplices = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=st.floats(0, 1, width=16)
).map(lambda raw: (raw + 1e-3) / (raw + 1e-3).sum(axis=1, keepdims=True))


@given(scores=simplices, k=st.integers(1, 8), smaller=st.integers(1, 8))
def test_k_largest_are_shown_as_they_are(scores: NDArray[Any], k: int, smaller: int) -> None:
    count, classes = scores.shape
    guard, queries = TopK(k=k), np.zeros((count, 1))
    access = guard.narrows(Access())
    given = guard.answer("a", queries, Answers(scores=scores))
    check_answers(given, count=count, classes=classes, access=access)
    assert given.scores is not None
    shown = ~np.isnan(given.scores)
    assert (shown.sum(axis=1) == min(k, classes)).all()
    np.testing.assert_array_equal(given.scores[shown], scores[shown])
    assert (np.where(shown, np.inf, scores).min(axis=1) >= 0).all()
    assert (np.where(shown, scores, np.inf).min(axis=1) >= np.where(shown, -np.inf, scores).max(axis=1)).all()
    np.testing.assert_array_equal(given.predicted, scores.argmax(axis=1))
    # The same guard again changes nothing; a stricter one behind it is as strict as alone.
    np.testing.assert_array_equal(guard.answer("a", queries, given).scores, given.scores)
    stricter = TopK(k=smaller)
    behind = stricter.answer("a", queries, given)
    check_answers(behind, count=count, classes=classes, access=stricter.narrows(access))
    alone = TopK(k=min(k, smaller)).answer("a", queries, Answers(scores=scores))
    np.testing.assert_array_equal(behind.scores, alone.scores)


def test_of_equal_scores_the_first_class_is_shown() -> None:
    given = TopK(k=1).answer("a", np.zeros((1, 1)), Answers(scores=np.full((1, 4), 0.25)))
    np.testing.assert_array_equal(given.scores, [[0.25, np.nan, np.nan, np.nan]])


def test_labels_stay_labels() -> None:
    access = Access(answer=Answer.LABELS)
    assert TopK().narrows(access) == access
    answers = Answers(labels=np.asarray([1]))
    assert TopK().answer("a", np.zeros((1, 1)), answers) is answers
