"""Between oracles and the tensors of model formats and servers: which inputs fit, which class a column stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import InvalidData
from stealproof.oracle import SIMPLEX_TOLERANCE, Access, Answer, Domain


def default_domain(shape: tuple[int, ...], dtype: Any) -> Domain:
    """What is legal when nobody says: bytes are pixels of 0 to 255, all else lies in [0, 1]."""
    return Domain(shape=shape, high=255.0 if np.dtype(dtype) == np.uint8 else 1.0)


def check_range(where: Any, dtype: Any, domain: Domain) -> None:
    """Raise ``InvalidData`` when inputs of ``domain`` don't fit into integers of ``dtype``."""
    if np.dtype(dtype).kind not in "iu":
        return
    limits = np.iinfo(dtype)
    if domain.low < limits.min or domain.high > limits.max:
        raise InvalidData(
            f"{where} takes {np.dtype(dtype)} inputs, {limits.min} to {limits.max},"
            f" but the domain is [{domain.low:g}, {domain.high:g}]; pass the domain of the model's own inputs"
        )


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
