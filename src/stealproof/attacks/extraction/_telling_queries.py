"""Queries whose answers make good equations: linearly independent, and not so sure that no digit is left."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.attacks.extraction._soft_answers import with_ones
from stealproof.oracle import Answer, Answers, Domain
from stealproof.roles.extraction import Theft

FAINT = 1e-6
"""A smaller probability of a binary victim may be 1 minus the other one, of which float64 kept too few digits."""
FAINT_SINGLE = 1e-4
"""The same for answers in float32."""
FAINT_SOFTMAX = 1e-30
"""A softmax over three or more classes is computed from exponentials, which keep their digits however small."""
HALVINGS = 60
"""Most halvings of one segment; after them float64 has no point left between its ends."""
REDRAWS = 20


def independent_rows(theft: Theft, count: int) -> NDArray[np.float64]:
    """``count`` uniform inputs, drawn again (at no cost) while they are linearly dependent, as 0/1 columns may be."""
    rng = theft.rng("queries")
    x = uniform_inputs(theft.oracle.domain, count, rng)
    for _ in range(REDRAWS):
        if np.linalg.matrix_rank(with_ones(x)) == count:
            break
        x = uniform_inputs(theft.oracle.domain, count, rng)
    return x


def uniform_inputs(domain: Domain, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``count`` uniform inputs at values that float32 has too, so that a victim in float32 sees the very same ones."""
    x = domain.uniform(count, rng)
    single = x.astype(np.float32).astype(np.float64)
    for column in domain.levels:
        single[:, column] = x[:, column]  # levels stay exactly as they are listed
    return single


def unsaturated(theft: Theft, x: NDArray[Any], answers: Answers) -> tuple[NDArray[Any], Answers]:
    """``x`` and its answers, with rows too close to 0 or 1 replaced by points nearer the decision boundary.

    Along a segment the log-ratio is linear, so halving the way to a telling point must end at one. This costs
    queries; with no budget left, or no telling point in sight, everything stays as it was.
    """
    if theft.oracle.access.answer is Answer.LOGITS:
        return x, answers
    telling = telling_rows(answers)
    theft.notes["saturated_queries"] = int((~telling).sum())
    if telling.all() or not theft.remaining():
        return x, answers
    anchor = _telling_point(theft, x, answers)
    if anchor is None:
        return x, answers
    rows, parts, share = list(x[telling]), [_selected(answers, telling)], 1.0
    for row in x[~telling]:
        for _ in range(HALVINGS):
            if not theft.remaining():
                break
            share /= 2
            point = anchor + share * (row - anchor)
            answer = theft.ask(point[None])
            if telling_rows(answer)[0]:
                rows.append(point)
                parts.append(answer)
                share = min(1.0, 4 * share)  # the next row is likely to need about as many halvings as this one
                break
    if len(rows) < math.prod(theft.oracle.domain.shape) + 1:
        return x, answers
    return np.stack(rows), Answers.joined(parts)


def telling_rows(answers: Answers) -> NDArray[np.bool_]:
    """Which rows ``(n,)`` show every class with enough digits to take its logarithm."""
    scores = np.asarray(answers.scores)
    if scores.shape[1] > 2:
        return np.asarray(scores.min(axis=1) >= FAINT_SOFTMAX)
    return np.asarray(scores.min(axis=1) >= (FAINT if scores.dtype == np.float64 else FAINT_SINGLE))


def _telling_point(theft: Theft, x: NDArray[Any], answers: Answers) -> NDArray[Any] | None:
    """A point whose answer is not saturated: the best of ``x``, or by bisection between two labels."""
    scores = np.asarray(answers.scores, dtype=np.float64)
    if telling_rows(answers).any():
        return np.asarray(x[scores.min(axis=1).argmax()])
    labels = scores.argmax(axis=1)
    other = np.flatnonzero(labels != labels[0])
    if not len(other):
        return None
    one, two, first, second = x[0], x[other[0]], labels[0], labels[other[0]]
    for _ in range(HALVINGS):
        if not theft.remaining():
            break
        middle = (one + two) / 2
        answer = theft.ask(middle[None])
        if telling_rows(answer)[0]:
            return np.asarray(middle)
        shown = np.asarray(answer.scores)[0]
        one, two = (middle, two) if shown[first] > shown[second] else (one, middle)
    return None


def _selected(answers: Answers, rows: NDArray[np.bool_]) -> Answers:
    assert answers.scores is not None
    return Answers(labels=None if answers.labels is None else answers.labels[rows], scores=answers.scores[rows])
