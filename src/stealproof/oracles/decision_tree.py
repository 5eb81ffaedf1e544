"""A fitted scikit-learn decision tree as an oracle that also answers inputs with missing features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import AccessDenied, InvalidData
from stealproof.oracle import Access, Answer, Answers, Budget, Domain, Oracle, Transcript
from stealproof.oracles._scores import class_indices


class DecisionTreeOracle(Oracle):
    """Answers with labels or float64 probabilities of the node at which the walk from the root ends.

    That is a leaf, or, under ``Access.incomplete``, the first node that tests a missing (NaN) feature, as BigML's
    trees answered (Tramèr et al. 2016, section 3.2). Nodes are told apart by their distribution only.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        domain: Domain,
        classes: int,
        access: Access | None = None,
        budget: Budget | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        """``estimator`` is a fitted ``DecisionTreeClassifier`` of flat inputs.

        Raises:
            InvalidData: it is no such thing, or fitted on another number of features.
            AccessDenied: ``access`` asks for other answers than labels or probabilities.
        """
        super().__init__(domain=domain, classes=classes, access=access, budget=budget, transcript=transcript)
        if self.access.answer not in (Answer.LABELS, Answer.PROBABILITIES):
            raise AccessDenied(f"a decision tree answers labels or probabilities, not {self.access}")
        tree = getattr(estimator, "tree_", None)
        if tree is None or not hasattr(estimator, "classes_") or tree.n_outputs != 1:
            raise InvalidData(
                "incomplete queries need a fitted scikit-learn DecisionTreeClassifier with one output,"
                f" got {type(estimator).__name__}"
            )
        features = int(np.prod(domain.shape))
        if tree.n_features != features:
            raise InvalidData(f"the tree was fitted on {tree.n_features} features, but the domain has {features}")
        self._feature = tree.feature.copy()
        self._threshold = tree.threshold.copy()
        self._children = np.stack([tree.children_left, tree.children_right], axis=1)
        values = tree.value[:, 0, :]
        self._distributions = np.zeros((tree.node_count, classes))
        columns = class_indices(estimator.classes_, classes, name=type(estimator).__name__)
        self._distributions[:, columns] = values / values.sum(axis=1, keepdims=True)

    def _answer(self, queries: NDArray[Any]) -> Answers:
        scores = self._distributions[self.reached(queries)]
        labels = scores.argmax(axis=1)
        return Answers(labels=labels, scores=None if self.access.answer is Answer.LABELS else scores)

    def reached(self, queries: NDArray[Any]) -> NDArray[np.int64]:
        """The node ``(n,)`` at which each query ``(n, *shape)`` stops; for the owner's analysis, not for a client."""
        # scikit-learn compares float32 features with float64 thresholds.
        x = queries.reshape(len(queries), -1).astype(np.float32)
        node = np.zeros(len(x), dtype=np.int64)
        walking = np.flatnonzero(self._children[node, 0] >= 0)
        while len(walking):
            here = node[walking]
            value = x[walking, self._feature[here]]
            known = ~np.isnan(value)
            walking, here, value = walking[known], here[known], value[known]
            node[walking] = self._children[here, (value > self._threshold[here]).astype(np.int64)]
            walking = walking[self._children[node[walking], 0] >= 0]
        return node
