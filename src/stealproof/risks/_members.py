"""What every membership inference shares: rows of known membership, the confidence in a label, the estimates."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.errors import InputError, InvalidData
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import proportion
from stealproof.measures.roc import area_under_curve, at_false_positive_rate
from stealproof.oracle import SCORED, Access, Answer, Answers, Oracle, as_array
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.trained import Trained

RATES = {"tpr_at_1_percent": 0.01, "tpr_at_01_percent": 0.001}
"""Estimates by name, with the share of non-members that may be taken for members."""
MEASURES: Mapping[str, str] = {
    "auc": "chance that a member looks more like one than a non-member does; 0.5 is guessing",
    "advantage": "share of members minus share of non-members that are called members",
    "tpr_at_1_percent": "share of members that are found while at most 1% of the non-members are accused",
    "tpr_at_01_percent": "share of members that are found while at most 0.1% of the non-members are accused",
}
HELD_BACK = 0.2
"""Least share of the training rows that is kept for setting a threshold, so that none is judged by its own."""
SMALLEST = float(np.finfo(np.float32).tiny)
"""Probabilities below this one are taken for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows whose membership is known."""

    members: Part
    """Rows that the owner trained on."""
    others: Part
    """As many test rows, none of which stands in the training data."""
    held: Part
    """Other rows that the owner trained on, to set a threshold with."""


def draw_rows(data: Dataset, rows: int, seed: int, *, who: str) -> Rows:
    """At most ``rows`` rows of ``data.train`` and equally many of ``data.test``, drawn by ``seed``.

    Every risk draws the same ones, so that attacks can be compared row by row.

    Raises:
        InputError: ``rows`` below 2.
        InvalidData: a part is missing, has targets instead of labels, NaN, or fewer than 2 usable rows.
    """
    if rows < 2:
        raise InputError(f"rows must be at least 2 members and as many non-members for {who}, got {rows}")
    train, test = data.train, data.test
    for name, part in (("train", train), ("test", test)):
        if part.y.ndim != 1:
            raise InvalidData(f"{who} needs one label for each row of {name}, got targets of {tuple(part.y.shape)}")
    # Whoever stands in both parts is a member, whatever part it was drawn from.
    known = {row.tobytes() for row in _flat(train)}
    fresh = np.array([number for number, row in enumerate(_flat(test)) if row.tobytes() not in known], dtype=np.int64)
    count = min(rows, len(fresh), len(train) - math.ceil(HELD_BACK * len(train)))
    if count < 2:
        raise InvalidData(
            f"{who} needs at least 4 rows in train and 2 in test that are not in train, got {len(train)} and"
            f" {len(fresh)}; bring more rows of both"
        )
    inside = seeds.rng(seed, "membership", "members").permutation(len(train))
    outside = seeds.rng(seed, "membership", "non-members").permutation(fresh)[:count]
    return Rows(
        members=train.take(torch.as_tensor(inside[:count])),
        others=test.take(torch.as_tensor(outside)),
        held=train.take(torch.as_tensor(inside[count : count + rows])),
    )


def opened(model: Any, data: Dataset, *, who: str) -> Oracle:
    """The richest answers that ``model`` gives: logits of a network, whatever an estimator or an oracle shows."""
    if isinstance(model, Oracle):
        return model
    if isinstance(model, Trained):
        if not model.is_network:
            return model.oracle()
        network, domain, classes = model.model, model.domain, model.classes
    elif isinstance(model, torch.nn.Module):
        network, domain, classes = model, data.domain, data.classes
    else:
        raise InputError(f"{who} needs a network, a trained model or an oracle, got {type(model).__name__}")
    # A copy, since the oracle puts its network into evaluation mode.
    return ModuleOracle(copy.deepcopy(network), domain=domain, classes=classes, access=Access(answer=Answer.LOGITS))


def log_odds(answers: Answers, labels: NDArray[np.int64], access: Access) -> NDArray[np.float64]:
    """log(p / (1 - p)) of each true label's probability p, ``(n,)``: Carlini et al. 2022, section VI-A.

    From logits it is z_y - log sum exp of the others, which neither overflows nor cancels as p nears 1. From
    probabilities 1 - p is the sum of the other classes', for the same reason, and nothing is taken for less than
    ``SMALLEST``, or half a unit of the last shown digit. The loss of the true label is log(1 + exp(-log_odds)).
    """
    assert answers.scores is not None
    truth = np.arange(answers.scores.shape[1]) == labels[:, None]
    if access.answer is Answer.LOGITS:
        scores = np.asarray(answers.scores, dtype=np.float64)
        others = np.where(truth, -np.inf, scores)
        largest = others.max(axis=1)
        rest = largest + np.log(np.exp(others - largest[:, None]).sum(axis=1))
        return np.asarray(scores[truth] - rest)
    shares = answers.distributions(answers.scores.shape[1], access)
    least = SMALLEST if access.decimals is None else 0.5 * 10.0**-access.decimals
    inside, rest = shares[truth], np.where(truth, 0.0, shares).sum(axis=1)
    return np.asarray(np.log(np.maximum(inside, least)) - np.log(np.maximum(rest, least)))


def losses(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross-entropy of the true label in nats, ``(n,)``, from its log-odds."""
    return np.asarray(np.logaddexp(0.0, -odds))


def ask_odds(oracle: Oracle, part: Part) -> NDArray[np.float64]:
    """The oracle's log-odds of the labels of ``part``, ``(n,)``."""
    return log_odds(oracle.ask(part.x), as_array(part.y), oracle.access)


def gives_scores(oracle: Oracle) -> bool:
    """Whether answers hold more than a label."""
    return oracle.access.answer in SCORED


def membership_estimates(members: NDArray[np.float64], others: NDArray[np.float64]) -> dict[str, Estimate]:
    """Area and true-positive rates of a statistic ``(n,)`` that is larger for members."""
    found = {"auc": area_under_curve(members.tolist(), others.tolist())}
    for name, rate in RATES.items():
        found[name] = at_false_positive_rate(members.tolist(), others.tolist(), rate).true_positive_rate
    return found


def accused(members: NDArray[np.float64], others: NDArray[np.float64]) -> dict[str, int]:
    """How many non-members stand above the threshold of each rate; few rows allow none."""
    return {
        name: round(point.false_positive_rate.value * len(others))
        for name, rate in RATES.items()
        for point in [at_false_positive_rate(members.tolist(), others.tolist(), rate)]
    }


def advantage(members: NDArray[np.bool_], others: NDArray[np.bool_]) -> Estimate:
    """The share of members ``(n,)`` minus the share of non-members ``(m,)`` that are called members, -1 to 1.

    The interval is Newcombe's square-and-add (Statistics in Medicine 17, 1998, method 10), over exact limits of both
    shares in place of Wilson's.
    """
    hit, alarm = (proportion(int(called.sum()), len(called)) for called in (members, others))
    value = hit.value - alarm.value
    below = math.hypot(hit.value - hit.low, alarm.high - alarm.value)
    above = math.hypot(hit.high - hit.value, alarm.value - alarm.low)
    return Estimate(
        value=value,
        low=max(-1.0, value - below),
        high=min(1.0, value + above),
        n=len(members) + len(others),
        method="newcombe over clopper-pearson",
    )


def _flat(part: Part) -> NDArray[Any]:
    return np.ascontiguousarray(as_array(part.x).reshape(len(part), math.prod(part.x.shape[1:])))
