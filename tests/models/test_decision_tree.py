"""Decision tree: scikit-learn's, optionally with leaves that can be told apart."""

from __future__ import annotations

import numpy as np
import pytest

from stealproof.data.breast_cancer import BreastCancer
from stealproof.errors import InputError
from stealproof.models.decision_tree import DecisionTree
from stealproof.training.trained import train


def test_distinct_leaves_differ_and_predict_as_before() -> None:
    data = BreastCancer().load()
    plain, distinct = (train(DecisionTree(distinct_leaves=tilted), data, seed=1) for tilted in (False, True))
    assert len(np.unique(plain.model.tree_.value[:, 0], axis=0)) < plain.model.tree_.node_count
    values = distinct.model.tree_.value[:, 0]
    assert len(np.unique(values, axis=0)) == distinct.model.tree_.node_count
    np.testing.assert_allclose(values.sum(axis=1), 1.0, atol=1e-12)
    inputs = data.domain.uniform(500, np.random.default_rng(0))
    assert (plain.model.predict(inputs) == distinct.model.predict(inputs)).all()
    assert np.abs(plain.model.predict_proba(inputs) - distinct.model.predict_proba(inputs)).max() <= 1e-3


def test_depth_limits_the_leaves() -> None:
    shallow = train(DecisionTree(max_depth=2), BreastCancer().load())
    assert shallow.model.get_n_leaves() <= 4


def test_refuses_a_depth_of_zero() -> None:
    with pytest.raises(InputError, match="max_depth of decision_tree must be at least 1, got 0"):
        DecisionTree(max_depth=0).build((4,), 2, 0)
