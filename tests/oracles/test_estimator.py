from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from stealproof.errors import AccessDenied, InvalidData
from stealproof.oracle import Access, Answer, Domain
from stealproof.oracles.estimator import EstimatorOracle

RNG = np.random.default_rng(0)
X = RNG.random((90, 6))
Y = np.digitize(X[:, 0], [1 / 3, 2 / 3])
DOMAIN = Domain(shape=(6,))
IMAGES = Domain(shape=(1, 2, 3))


def test_probabilities_are_the_estimators_in_float64() -> None:
    model = LogisticRegression().fit(X, Y)
    answers = EstimatorOracle(model, domain=DOMAIN, classes=3).query(X)
    assert answers.scores is not None
    assert answers.scores.dtype == np.float64
    assert np.array_equal(answers.scores, model.predict_proba(X))
    assert np.array_equal(answers.predicted, model.predict(X))


def test_images_are_flattened() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    oracle = EstimatorOracle(model, domain=IMAGES, classes=3)
    assert np.array_equal(oracle.query(X.reshape(-1, 1, 2, 3)).predicted, model.predict(X))


def test_without_predict_proba_labels_are_all_there_is() -> None:
    model = LinearSVC().fit(X, Y)
    oracle = EstimatorOracle(model, domain=DOMAIN, classes=3)
    assert oracle.access.answer is Answer.LABELS
    answers = oracle.query(X)
    assert answers.scores is None
    assert np.array_equal(answers.predicted, model.predict(X))
    with pytest.raises(AccessDenied, match="LinearSVC has no predict_proba, so it answers labels only"):
        EstimatorOracle(model, domain=DOMAIN, classes=3, access=Access())


@pytest.mark.parametrize("make", [DecisionTreeClassifier, LinearSVC])
@pytest.mark.parametrize(
    ("names", "classes", "expected"),
    [
        ([0, 2, 7], 8, [0, 2, 7]),
        ([0.0, 1.0, 2.0], 3, [0, 1, 2]),
        ([-1, 0, 1], 3, [0, 1, 2]),
        ([1, 2, 3], 3, [0, 1, 2]),
        (["ant", "bee", "cow"], 3, [0, 1, 2]),
    ],
)
def test_classes_keep_or_get_their_numbers(make: type, names: list[object], classes: int, expected: list[int]) -> None:
    model = make(random_state=0).fit(X, np.asarray(names)[Y])
    oracle = EstimatorOracle(model, domain=DOMAIN, classes=classes)
    wanted = np.asarray(expected)[np.searchsorted(model.classes_, model.predict(X))]
    assert np.array_equal(oracle.query(X).predicted, wanted)


def test_a_class_that_was_never_seen_has_probability_zero() -> None:
    model = DecisionTreeClassifier().fit(X, np.asarray([0, 2, 7])[Y])
    scores = EstimatorOracle(model, domain=DOMAIN, classes=8).query(X).scores
    assert scores is not None
    assert scores.shape == (90, 8)
    assert not scores[:, [1, 3, 4, 5, 6]].any()


def test_what_does_not_fit_is_refused() -> None:
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(InvalidData, match=r"fitted on 6 features, but inputs of shape \(1, 8, 8\) have 64"):
        EstimatorOracle(model, domain=Domain(shape=(1, 8, 8)), classes=3)
    with pytest.raises(InvalidData, match=r"knows 3 classes \(0, 1, 2\), which are neither within 0..1 nor 2"):
        EstimatorOracle(model, domain=DOMAIN, classes=2)
    with pytest.raises(InvalidData, match=r"expected a fitted classifier .* got LogisticRegression; fit it first"):
        EstimatorOracle(LogisticRegression(), domain=DOMAIN, classes=3)
    with pytest.raises(AccessDenied, match="labels or probabilities, not logits"):
        EstimatorOracle(model, domain=DOMAIN, classes=3, access=Access(answer=Answer.LOGITS))
