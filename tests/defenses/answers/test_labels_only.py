from __future__ import annotations

import numpy as np

from stealproof.defenses.answers.labels_only import LabelsOnly
from stealproof.oracle import Access, Answer, Answers

SCORES = np.asarray([[0.2, 0.5, 0.3], [0.9, 0.0, 0.1]])
QUERIES = np.zeros((2, 4))


def test_scores_become_labels_and_labels_stay() -> None:
    given = LabelsOnly().answer("a", QUERIES, Answers(scores=SCORES))
    assert given.scores is None
    np.testing.assert_array_equal(given.predicted, [1, 0])
    again = LabelsOnly().answer("a", QUERIES, given)
    np.testing.assert_array_equal(again.predicted, [1, 0])


def test_the_access_says_so() -> None:
    seen = Access(answer=Answer.TOP_K, top_k=3, decimals=2, incomplete=True)
    assert LabelsOnly().narrows(seen) == Access(answer=Answer.LABELS, incomplete=True)
    assert LabelsOnly().narrows(Access(answer=Answer.LOGITS)) == Access(answer=Answer.LABELS)
