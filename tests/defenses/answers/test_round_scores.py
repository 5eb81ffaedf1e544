from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from stealproof.defenses.answers.round_scores import RoundScores
from stealproof.defenses.answers.top_k import TopK
from stealproof.oracle import Access, Answer, Answers, check_answers

# Up to 40 classes: the more there are, the further the sum of a rounded row may be from 1.
simplices = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(2, 40)), elements=st.floats(0, 1, width=16)
).map(lambda raw: (raw + 1e-3) / (raw + 1e-3).sum(axis=1, keepdims=True))


@given(scores=simplices, decimals=st.integers(0, 6), k=st.integers(1, 5), dtype=st.sampled_from(["f4", "f8"]))
def test_rounded_scores_pass_as_what_they_claim_to_be(scores: NDArray[Any], decimals: int, k: int, dtype: str) -> None:
    count, classes = scores.shape
    guard, queries = RoundScores(decimals=decimals), np.zeros((count, 1))
    access = guard.narrows(Access())
    given = guard.answer("a", queries, Answers(scores=scores.astype(dtype)))
    check_answers(given, count=count, classes=classes, access=access)
    assert given.scores is not None
    assert np.abs(given.scores - scores).max() <= 0.5 * 10.0**-decimals + 1e-6
    np.testing.assert_array_equal(guard.answer("a", queries, given).scores, given.scores)
    p = given.distributions(classes, access)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-9)
    # Rounding and top-k go together in either order.
    top = TopK(k=k)
    one = top.answer("a", queries, given)
    check_answers(one, count=count, classes=classes, access=top.narrows(access))
    other = guard.answer("a", queries, top.answer("a", queries, Answers(scores=scores.astype(dtype))))
    check_answers(other, count=count, classes=classes, access=guard.narrows(top.narrows(Access())))


def test_the_label_is_that_of_the_unrounded_scores() -> None:
    given = RoundScores(decimals=1).answer("a", np.zeros((1, 1)), Answers(scores=np.asarray([[0.49, 0.51]])))
    np.testing.assert_array_equal(given.scores, [[0.5, 0.5]])
    np.testing.assert_array_equal(given.predicted, [1])


def test_logits_are_rounded_too_and_labels_stay() -> None:
    guard = RoundScores(decimals=1)
    given = guard.answer("a", np.zeros((1, 1)), Answers(scores=np.asarray([[-3.14, 2.71]])))
    np.testing.assert_array_equal(given.scores, [[-3.1, 2.7]])
    answers = Answers(labels=np.asarray([1]))
    assert guard.answer("a", np.zeros((1, 1)), answers) is answers


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Access(), Access(decimals=2)),
        (Access(decimals=1), Access(decimals=1)),
        (Access(answer=Answer.LOGITS, decimals=5), Access(answer=Answer.LOGITS, decimals=2)),
        (Access(answer=Answer.LABELS), Access(answer=Answer.LABELS)),
    ],
)
def test_the_access_says_so(seen: Access, expected: Access) -> None:
    assert RoundScores().narrows(seen) == expected
