"""Fitted scikit-learn classifiers as plain arrays: linear models, trees and forests, without a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from stealproof.errors import InputError, InvalidData

Arrays = Mapping[str, NDArray[Any]]
LINEAR = "linear"
TREE = "tree"
FOREST = "forest"
LEAF = -1


def arrays_of(estimator: Any) -> tuple[str, dict[str, NDArray[Any]]]:
    """The kind of a fitted classifier, and everything that its answers depend on.

    Raises:
        InputError: a kind that has no such arrays here.
    """
    if isinstance(estimator, LogisticRegression):
        return LINEAR, {
            "classes": _classes(estimator),
            "coef": np.ascontiguousarray(estimator.coef_, dtype=np.float64),
            "intercept": np.ascontiguousarray(estimator.intercept_, dtype=np.float64),
        }
    if isinstance(estimator, DecisionTreeClassifier):
        return TREE, {"classes": _classes(estimator), **_tree_arrays([estimator])}
    if isinstance(estimator, RandomForestClassifier | ExtraTreesClassifier):
        return FOREST, {"classes": _classes(estimator), **_tree_arrays(estimator.estimators_)}
    raise InputError(
        f"{type(estimator).__name__} can't be saved here, only logistic regression, decision trees and forests;"
        " convert it to ONNX with skl2onnx, or name a function that returns it"
    )


def estimator_of(kind: str, arrays: Arrays, features: int) -> Any:
    """The inverse of ``arrays_of``: a fitted classifier with the same answers.

    Raises:
        InvalidData: arrays that are missing, of other sizes, or that no classifier has.
    """
    try:
        if kind == LINEAR:
            return _linear(arrays, features)
        if kind in (TREE, FOREST):
            trees = _trees(arrays, features)
            return trees[0] if kind == TREE else _forest(trees, arrays, features)
    except (KeyError, ValueError, IndexError, TypeError, OverflowError) as error:
        raise InvalidData(f"the weights are no {kind} of {features} features: {error}") from error
    raise InvalidData(f"the card names an estimator of kind {kind!r}, expected {LINEAR}, {TREE} or {FOREST}")


def _classes(estimator: Any) -> NDArray[np.int64]:
    classes = np.asarray(estimator.classes_)
    if classes.dtype.kind not in "iu":
        raise InputError(f"classes must be integers to be saved, got {classes.dtype}; number them 0..C-1")
    return classes.astype(np.int64)


def _linear(arrays: Arrays, features: int) -> LogisticRegression:
    model = LogisticRegression()
    model.classes_ = arrays["classes"]
    # Column by column, as scikit-learn keeps them: another order would round the last bit otherwise.
    model.coef_, model.intercept_ = np.asfortranarray(arrays["coef"]), arrays["intercept"]
    rows = 1 if len(model.classes_) == 2 else len(model.classes_)
    if model.coef_.shape != (rows, features) or model.intercept_.shape not in ((rows,), (1,)):
        raise ValueError(f"coefficients {model.coef_.shape} and intercepts {model.intercept_.shape}")
    model.n_features_in_ = features
    return model


def _tree_arrays(trees: list[Any]) -> dict[str, NDArray[Any]]:
    """All nodes of all trees, one after the other."""
    states = [tree.tree_.__getstate__() for tree in trees]
    nodes = np.concatenate([state["nodes"] for state in states])
    arrays = {f"node.{name}": np.ascontiguousarray(nodes[name]) for name in nodes.dtype.names or ()}
    return arrays | {
        "counts": np.array([state["node_count"] for state in states], dtype=np.int64),
        "depths": np.array([state["max_depth"] for state in states], dtype=np.int64),
        "values": np.concatenate([state["values"] for state in states]).astype(np.float64),
    }


def _trees(arrays: Arrays, features: int) -> list[Any]:
    classes, counts, values = arrays["classes"], arrays["counts"], arrays["values"]
    nodes = np.zeros(int(counts.sum()), dtype=_node_type())
    for name in nodes.dtype.names or ():
        nodes[name] = arrays[f"node.{name}"]
    if values.shape != (len(nodes), 1, len(classes)) or counts.min() < 1 or len(arrays["depths"]) != len(counts):
        raise ValueError(f"values of shape {values.shape} for {len(nodes)} nodes and {len(classes)} classes")
    built = []
    ends = np.cumsum(counts)
    for start, end, depth in zip(ends - counts, ends, arrays["depths"], strict=True):
        _check_nodes(nodes[start:end], features)
        tree = Tree(features, np.array([len(classes)], dtype=np.intp), 1)
        tree.__setstate__(
            {
                "max_depth": int(depth),
                "node_count": int(end - start),
                "nodes": np.ascontiguousarray(nodes[start:end]),
                "values": np.ascontiguousarray(values[start:end]),
            }
        )
        built.append(_fitted(DecisionTreeClassifier(), classes, features))
        built[-1].tree_ = tree
    return built


def _check_nodes(nodes: NDArray[Any], features: int) -> None:
    """Refuse links that leave the tree or go in circles: scikit-learn follows them without looking."""
    left, right, place = nodes["left_child"], nodes["right_child"], np.arange(len(nodes))
    inner = left != LEAF
    ahead = (left > place) & (right > place) & (left < len(nodes)) & (right < len(nodes))
    known = (nodes["feature"] >= 0) & (nodes["feature"] < features)
    if not (ahead & known)[inner].all() or not (right[~inner] == LEAF).all():
        raise ValueError("a node with children or features that do not exist")
    if np.isnan(nodes["threshold"]).any():
        raise ValueError("a threshold that is no number")


def _node_type() -> np.dtype[Any]:
    """The record of a node in the scikit-learn that is installed."""
    empty = Tree(1, np.array([2], dtype=np.intp), 1)
    dtype: np.dtype[Any] = empty.__getstate__()["nodes"].dtype
    return dtype


def _forest(trees: list[Any], arrays: Arrays, features: int) -> RandomForestClassifier:
    forest = _fitted(RandomForestClassifier(n_estimators=len(trees)), arrays["classes"], features)
    # A forest's own trees number the classes 0..C-1 and are told the names at the end.
    for tree in trees:
        tree.classes_ = np.arange(len(arrays["classes"]), dtype=np.float64)
    forest.estimators_ = trees
    return forest


def _fitted(estimator: Any, classes: NDArray[Any], features: int) -> Any:
    estimator.classes_ = classes
    estimator.n_classes_ = len(classes)
    estimator.n_outputs_ = 1
    estimator.n_features_in_ = features
    return estimator
