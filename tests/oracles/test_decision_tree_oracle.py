"""The tree oracle: as scikit-learn on complete inputs, from inner nodes on incomplete ones."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from stealproof.data.iris import Iris
from stealproof.errors import AccessDenied, InvalidData
from stealproof.models.decision_tree import DecisionTree
from stealproof.oracle import Access, Answer, Domain
from stealproof.oracles.decision_tree import DecisionTreeOracle
from stealproof.training.trained import Trained, train

INCOMPLETE = Access(answer=Answer.PROBABILITIES, incomplete=True)


@pytest.fixture(scope="module")
def iris_tree() -> Trained:
    return train(DecisionTree(distinct_leaves=True), Iris().load())


def test_complete_inputs_are_answered_as_by_scikit_learn(iris_tree: Trained) -> None:
    oracle = iris_tree.oracle(INCOMPLETE)
    x = iris_tree.domain.uniform(1000, np.random.default_rng(0))
    answers = oracle.query(x)
    assert answers.scores is not None
    np.testing.assert_allclose(answers.scores, iris_tree.model.predict_proba(x), atol=1e-12)
    assert answers.scores.dtype == np.float64


def test_an_empty_input_is_answered_from_the_root_and_each_feature_leads_further(iris_tree: Trained) -> None:
    oracle = iris_tree.oracle(INCOMPLETE)
    assert isinstance(oracle, DecisionTreeOracle)
    tree = iris_tree.model.tree_
    empty = np.full((1, 4), np.nan)
    assert oracle.reached(empty).tolist() == [0]
    root = tree.feature[0]
    below = empty.copy()
    below[0, root] = tree.threshold[0] - 0.01
    other = empty.copy()
    other[0, (root + 1) % 4] = 0.5
    assert oracle.reached(below)[0] != 0
    assert oracle.reached(other).tolist() == [0]
    answers = oracle.query(empty)
    assert answers.scores is not None
    np.testing.assert_allclose(answers.scores[0], tree.value[0, 0])


def test_without_the_access_missing_features_are_refused(iris_tree: Trained) -> None:
    oracle = DecisionTreeOracle(iris_tree.model, domain=iris_tree.domain, classes=3)
    with pytest.raises(InvalidData, match="4 NaN values; this oracle wants complete inputs"):
        oracle.query(np.full((1, 4), np.nan))


def test_labels_only_hides_the_distribution(iris_tree: Trained) -> None:
    oracle = iris_tree.oracle(Access(answer=Answer.LABELS, incomplete=True))
    answers = oracle.query(np.full((3, 4), np.nan))
    assert answers.scores is None
    assert answers.predicted.shape == (3,)


def test_a_class_without_rows_has_probability_zero() -> None:
    tree = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 2])
    oracle = DecisionTreeOracle(tree, domain=Domain(shape=(1,)), classes=4)
    scores = oracle.query([[0.0], [1.0]]).scores
    assert scores is not None
    np.testing.assert_array_equal(scores, [[1, 0, 0, 0], [0, 0, 1, 0]])


def test_refuses_other_models_answers_and_shapes(iris_tree: Trained) -> None:
    linear = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(InvalidData, match=r"need a fitted scikit-learn DecisionTreeClassifier.*LogisticRegression"):
        DecisionTreeOracle(linear, domain=Domain(shape=(1,)), classes=2)
    with pytest.raises(InvalidData, match="fitted on 4 features, but the domain has 5"):
        DecisionTreeOracle(iris_tree.model, domain=Domain(shape=(5,)), classes=3)
    with pytest.raises(AccessDenied, match="answers labels or probabilities, not logits"):
        DecisionTreeOracle(iris_tree.model, domain=iris_tree.domain, classes=3, access=Access(answer=Answer.LOGITS))
