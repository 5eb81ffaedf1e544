"""Asking triggers one after the other, until the evidence decides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.measures.e_process import anytime_p_value, e_value, fewest_more, matches_to_reject
from stealproof.roles.trial import Examination, Trial


def ask_in_sequence(trial: Trial, inputs: NDArray[Any], labels: NDArray[np.int64], rate: float) -> Examination:
    """Ask in order, and stop when the e-value reaches 1/level or nothing is left to ask.

    Each batch is as large as the number of further matches that a decision takes at least, so that not one input is
    asked after the decision and few messages are exchanged. The p-value is 1 / (the largest e-value on the way): the
    exact binomial one would not be valid at a stop that the answers themselves chose.
    """
    n, level = len(labels), trial.level
    outcomes = np.zeros(0, dtype=bool)
    needed = fewest_more(0, 0, rate, level)
    more = needed
    while more and len(outcomes) < n:
        batch = slice(len(outcomes), min(n, len(outcomes) + more))
        outcomes = np.concatenate([outcomes, trial.ask(inputs[batch]).predicted == labels[batch]])
        more = fewest_more(int(outcomes.sum()), len(outcomes), rate, level)
        trial.progress("asking triggers", len(outcomes) / n)
    asked, matches = len(outcomes), int(outcomes.sum())
    return Examination(
        statistic=matches / asked,
        p_value=anytime_p_value(outcomes, rate),
        threshold=matches_to_reject(asked, rate, level) / asked,
        attainable=1 / e_value(n, n, rate),
        needed=f"at least {needed} triggers, got {n}",
        e_value=e_value(matches, asked, rate),
        effect=matches / asked - rate,
        reasons=(f"{matches} of {asked} triggers match, where chance gives {asked * rate:.3g}; {n} could be asked",),
    )
