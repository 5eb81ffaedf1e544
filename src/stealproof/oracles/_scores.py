"""From the tensors that model formats and servers give to labels and scores of ``0..classes-1``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import InvalidData
from stealproof.oracle import SIMPLEX_TOLERANCE, Access, Answer


def class_indices(known: Any, classes: int, *, name: str) -> NDArray[np.int64]:
    """The index in ``0..classes-1`` of each of a model's own class names ``known``.

    Integers within the range are indices already; other names (strings, -1 and +1) are numbered in their order.
    """
    known = np.asarray(known)
    if known.dtype.kind in "biuf" and (known == known.astype(np.int64)).all():
        indices = known.astype(np.int64)
        if indices.min() >= 0 and indices.max() < classes:
            return np.asarray(indices)
    if len(known) == classes:
        return np.arange(classes)
    raise InvalidData(
        f"{name} knows {len(known)} classes ({', '.join(map(str, known[:5]))}{', …' if len(known) > 5 else ''}),"
        f" which are neither within 0..{classes - 1} nor {classes} in number; pass the classes that it was fitted on"
    )


def is_simplex(scores: NDArray[Any]) -> bool:
    """Whether each row of ``(n, classes)`` is a probability vector, or each value of ``(n, 1)`` a probability."""
    inside = bool(((scores >= -SIMPLEX_TOLERANCE) & (scores <= 1 + SIMPLEX_TOLERANCE)).all())
    return inside and (scores.shape[1] == 1 or bool((abs(scores.sum(axis=1) - 1) <= SIMPLEX_TOLERANCE).all()))


def two_columns(scores: NDArray[Any], access: Access) -> NDArray[Any]:
    """``(n, 2)`` scores for ``(n, 1)`` of the positive class alone, as binary models with a sigmoid give them."""
    if scores.shape[1] != 1:
        return scores
    other = np.zeros_like(scores) if access.answer is Answer.LOGITS else 1 - scores
    return np.concatenate([other, scores], axis=1)


def softmax_rows(logits: NDArray[Any]) -> NDArray[Any]:
    """Probabilities of logits ``(n, classes)``."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))
