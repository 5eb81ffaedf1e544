"""How alike two classifiers answer: agreement, Kullback-Leibler divergence, total variation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import InputError
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import bootstrap, proportion, row_mean


def agreement(one: NDArray[Any], other: NDArray[Any], *, level: float = 0.95) -> Estimate:
    """Share of rows with equal labels ``(n,)``; 1 means always. Against true labels this is accuracy.

    Between surrogate and victim it is fidelity (Jagielski et al., USENIX Security 2020, section 3), which Tramèr et
    al. 2016 (section 4.1) write as 1 - R.
    """
    if one.shape != other.shape or one.ndim != 1:
        raise InputError(f"agreement compares labels of shape (n,), got {one.shape} and {other.shape}")
    return proportion(int((one == other).sum()), len(one), level=level)


def relative_accuracy(
    surrogate: NDArray[Any],
    victim: NDArray[Any],
    truth: NDArray[Any],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Estimate:
    """Accuracy of the surrogate over accuracy of the victim, from labels ``(n,)``; 1 means as good as the victim."""
    hits = np.stack([surrogate == truth, victim == truth], axis=1).astype(np.float64)

    def ratio(rows: NDArray[Any]) -> float:
        ours, theirs = rows.mean(axis=0)
        return float(ours / theirs) if theirs > 0 else 0.0

    return bootstrap(hits, ratio, rng=rng, level=level)


def kl_divergence(victim: NDArray[Any], surrogate: NDArray[Any], *, level: float = 0.95) -> Estimate:
    """Mean over rows of KL(victim || surrogate) in nats, from probabilities ``(n, classes)``; 0 means equal.

    Surrogate probabilities are floored at 1e-12, so that one confident mistake costs at most 27.6 nats, not infinity.
    """
    p, q = _pair(victim, surrogate)
    q = np.maximum(q, 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * (np.log(p) - np.log(q)), 0.0)
    return row_mean(terms.sum(axis=1), level=level)


def total_variation(victim: NDArray[Any], surrogate: NDArray[Any]) -> NDArray[np.float64]:
    """Half the L1 distance of each row's probabilities ``(n, classes)``, as ``(n,)`` in 0..1; 0 means equal."""
    p, q = _pair(victim, surrogate)
    return np.asarray(np.abs(p - q).sum(axis=1) / 2)


def _pair(one: NDArray[Any], other: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, q = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if p.shape != q.shape or p.ndim != 2:
        raise InputError(f"expected two arrays of probabilities (n, classes), got {p.shape} and {q.shape}")
    return p, q
