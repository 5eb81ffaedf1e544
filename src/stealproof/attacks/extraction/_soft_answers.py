"""Reading scores as equations: log-ratios of probabilities, and how finely they were rounded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.oracle import Access, Answer, Answers

MOST_DECIMALS = 5
"""Finest rounding that is told from the precision of float32 answers."""
FEWEST_SCORES = 8
"""Scores between 0 and 1 that must all look rounded before an undeclared rounding is believed."""


def rounding_unit(answers: Answers, access: Access) -> float:
    """The width of the steps in which probabilities come, 0.01 for two decimals; 0 when they are not rounded.

    What the oracle declares is believed; of an undeclared rounding the answers themselves tell.
    """
    if access.decimals is not None:
        return float(10.0**-access.decimals)
    if access.answer is Answer.LOGITS or answers.scores is None:
        return 0.0
    scores = np.asarray(answers.scores, dtype=np.float64)
    # A saturated victim's zeros and ones say nothing about decimals.
    between = scores[(scores > 1e-6) & (scores < 1 - 1e-6)]
    if len(between) < FEWEST_SCORES:
        return 0.0
    precision = 4 * float(np.finfo(answers.scores.dtype).eps)
    for decimals in range(1, MOST_DECIMALS + 1):
        steps = between * 10.0**decimals
        if np.abs(steps - np.round(steps)).max() < precision * 10.0**decimals:
            return float(10.0**-decimals)
    return 0.0


def log_scores(answers: Answers, access: Access, unit: float = 0.0) -> NDArray[np.float64]:
    """Logits ``(n, classes)`` up to a constant a row, chosen so that each row sums to 0.

    Probabilities are first moved half a rounding unit away from 0 and 1, where their logarithm would be infinite.
    """
    scores = np.asarray(answers.scores, dtype=np.float64)
    if access.answer is not Answer.LOGITS:
        margin = unit / 2 if unit else np.finfo(np.float64).tiny
        scores = np.log(np.clip(scores, margin, 1 - unit / 2))
    return np.asarray(scores - scores.mean(axis=1, keepdims=True))


def with_ones(x: NDArray[Any]) -> NDArray[np.float64]:
    """Rows ``(n, *shape)`` flattened, with a last column of ones for the bias: ``(n, d + 1)`` float64."""
    flat = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
