"""Duplication rounds: ask natural seeds, then again and again inputs that are made from all that was asked before.

The common frame of Papernot et al. 2017 (Algorithm 1) and Juuti et al. 2019 (section III): query, train a substitute
from scratch on everything, make one new input from each old one, query those, and so on. The last training is on all
answers. The last round makes only as many inputs as the budget still covers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._surrogate import train_surrogate
from stealproof.errors import InputError
from stealproof.oracle import Answers
from stealproof.roles.extraction import Theft

Synthesize = Callable[[torch.nn.Module, NDArray[Any], NDArray[np.int64], int], NDArray[Any]]
"""From the current substitute, parents ``(n, *shape)``, the oracle's labels for them ``(n,)`` and the number of the
round (from 1) to n new inputs."""
Growth = Callable[[int, int], int]
"""From the number of inputs asked so far and the number of the round to how many of them are augmented."""


def everything(asked: int, number: int) -> int:
    """Augment every input: the set doubles in each round."""
    del number
    return asked


def ask_seeds(theft: Theft, seeds: int) -> tuple[NDArray[Any], Answers]:
    """Query ``seeds`` inputs of the pool, drawn without replacement; fewer when the pool or the budget is smaller."""
    assert theft.pool is not None
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, got {seeds}")
    count = min(seeds, theft.budget, len(theft.pool))
    x = theft.pool[theft.rng("seeds").choice(len(theft.pool), count, replace=False)]
    # Steps are fractions: integer inputs would round them away.
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    return x, theft.ask(x)


def targets_of(theft: Theft, answers: Answers, *, soft: bool) -> NDArray[Any]:
    """What the substitute learns: labels ``(n,)``, or all that the answers say as ``(n, classes)``."""
    return theft.soft_targets(answers) if soft else answers.predicted


def extract_in_rounds(
    theft: Theft,
    x: NDArray[Any],
    answers: Answers,
    synthesize: Synthesize,
    *,
    rounds: int | None,
    soft: bool,
    growth: Growth = everything,
) -> torch.nn.Module:
    """Run duplication rounds from the answered seeds ``x`` ``(n, *shape)`` and return the last substitute.

    Args:
        theft: the theft under way; its notes receive ``seeds``, ``rounds`` and ``synthetic``.
        x: the seeds, already asked.
        answers: what the oracle said to them.
        synthesize: makes one new input from each parent.
        rounds: most rounds; None for as many as the budget covers.
        soft: whether the substitute learns from scores rather than labels.
        growth: how many inputs a round augments; when not all, they are drawn without replacement.
    """
    sizes = plan(len(x), theft.budget, rounds=rounds, growth=growth)
    # A training costs as much as it has inputs.
    shares = np.cumsum([0, *sizes]) / sum(sizes)
    for number in range(1, len(sizes)):
        model = train_surrogate(
            theft,
            x,
            targets_of(theft, answers, soft=soft),
            name=f"substitute {number}",
            progress_share=(float(shares[number - 1]), float(shares[number])),
        )
        parents = _parents(theft, len(x), sizes[number] - len(x), number)
        new = synthesize(model, x[parents], answers.predicted[parents], number)
        x, answers = np.concatenate([x, new]), Answers.joined([answers, theft.ask(new)])
    theft.notes.update(seeds=sizes[0], rounds=len(sizes) - 1, synthetic=len(x) - sizes[0])
    targets = targets_of(theft, answers, soft=soft)
    return train_surrogate(theft, x, targets, progress_share=(float(shares[-2]), 1.0))


def plan(natural: int, budget: int, *, rounds: int | None, growth: Growth = everything) -> list[int]:
    """How many inputs have been asked after the seeds and after each round; the last value is at most ``budget``."""
    if rounds is not None and rounds < 0:
        raise InputError(f"rounds must be at least 0, got {rounds}")
    sizes = [natural]
    while sizes[-1] < budget and (rounds is None or len(sizes) <= rounds):
        sizes.append(min(budget, sizes[-1] + growth(sizes[-1], len(sizes))))
    return sizes


def _parents(theft: Theft, asked: int, wanted: int, number: int) -> NDArray[np.int64]:
    """The rows that this round augments: all, or a reservoir sample of what the round and the budget allow."""
    if wanted == asked:
        return np.arange(asked)
    return np.asarray(np.sort(theft.rng("parents", number).choice(asked, wanted, replace=False)))
