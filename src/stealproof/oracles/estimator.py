"""A fitted scikit-learn classifier as an oracle."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import AccessDenied, InvalidData
from stealproof.oracle import Access, Answer, Answers, Budget, Domain, Oracle, Transcript
from stealproof.oracles._scores import class_indices


class EstimatorOracle(Oracle):
    """Answers with labels or float64 probabilities of an estimator; for the rest wrap it in ``GuardedOracle``.

    The label is that of the largest probability, so that every access tells the same story; an estimator without
    ``predict_proba`` answers what ``predict`` says.
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
        """``estimator`` is fitted on flat inputs ``(n, prod(shape))``.

        Its ``classes_`` may be any subset of ``0..classes-1``; a class that it never saw has probability 0. Other
        names of classes (strings, -1 and +1) are numbered in the order of ``classes_``. ``access`` is probabilities
        unless given, or labels when the estimator has no ``predict_proba``.

        Raises:
            InvalidData: not a fitted classifier, or one for other inputs or other classes.
            AccessDenied: the estimator can't give answers of this kind.
        """
        has_probabilities = hasattr(estimator, "predict_proba")
        if access is None:
            access = Access(answer=Answer.PROBABILITIES if has_probabilities else Answer.LABELS)
        super().__init__(domain=domain, classes=classes, access=access, budget=budget, transcript=transcript)
        name = type(estimator).__name__
        if access.answer not in (Answer.LABELS, Answer.PROBABILITIES):
            raise AccessDenied(f"a scikit-learn estimator answers labels or probabilities, not {access}")
        if access.answer is Answer.PROBABILITIES and not has_probabilities:
            raise AccessDenied(f"{name} has no predict_proba, so it answers labels only, not {access}")
        features = getattr(estimator, "n_features_in_", None)
        if features is not None and features != math.prod(domain.shape):
            raise InvalidData(
                f"{name} was fitted on {features} features, but inputs of shape {domain.shape} have"
                f" {math.prod(domain.shape)}; name the data that it was fitted on"
            )
        self._estimator = estimator
        self._has_probabilities = has_probabilities
        self._columns = class_indices(_classes_of(estimator), classes, name=name)

    def _answer(self, queries: NDArray[Any]) -> Answers:
        x = queries.reshape(len(queries), -1).astype(np.float64)
        with warnings.catch_warnings():
            # An estimator fitted on a data frame warns that an array has no column names; their order is the domain's.
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            if not self._has_probabilities:
                return Answers(labels=self._labels(self._estimator.predict(x)))
            shown = np.asarray(self._estimator.predict_proba(x), dtype=np.float64)
        scores = np.zeros((len(x), self.classes))
        scores[:, self._columns] = shown
        labels = scores.argmax(axis=1)
        return Answers(labels=labels, scores=None if self.access.answer is Answer.LABELS else scores)

    def _labels(self, predicted: Any) -> NDArray[np.int64]:
        """Class indices ``(n,)`` for values of ``classes_``, which scikit-learn keeps sorted."""
        return np.asarray(self._columns[np.searchsorted(self._estimator.classes_, predicted)], dtype=np.int64)


def _classes_of(estimator: Any) -> Any:
    """``estimator.classes_``; ``InvalidData`` when there are none, or several lists of them (many outputs)."""
    known = getattr(estimator, "classes_", None)
    if known is None or isinstance(known, list):
        name = type(estimator).__name__
        raise InvalidData(f"expected a fitted classifier with classes_ of one output, got {name}; fit it first")
    return known
