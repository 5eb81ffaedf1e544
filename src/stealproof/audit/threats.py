"""The threat map: who could steal this model, what they are after, and what its answers give them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stealproof.oracle import Access, Answer

FLOAT_BITS = 24
"""Bits of a float32's significand: what one score at full precision can tell at most, order of magnitude apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """One thing that the adversary of this audit can or cannot do."""

    topic: str
    assumed: str
    why: str
    """Why this was assumed, or what a stronger adversary would have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One thing that a thief may be after."""

    name: str
    meaning: str
    measure: str
    """Which number of this report speaks about it."""
    measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One part of an answer that a client may or may not see."""

    part: str
    shown: str
    """What clients see of it, in words; ``no`` when nothing."""
    gives: str
    """What that gives a thief."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreatMap:
    """Adversary, goals and exposure of one audit."""

    adversary: tuple[Assumption, ...]
    goals: tuple[Goal, ...]
    exposure: tuple[Exposure, ...]
    bits_per_answer: float
    """Upper bound on what one answer can tell."""


def threat_map(
    *, access: Access, classes: int, pool: str, architecture: str, largest_budget: int, labelled_test: bool = True
) -> ThreatMap:
    """The threat map of a model of ``classes`` classes that gives ``access``.

    ``pool`` and ``architecture`` say in words what the thief holds and which surrogate it trains.
    """
    return ThreatMap(
        adversary=_adversary(access, pool, architecture, largest_budget),
        goals=_goals(access, labelled_test),
        exposure=_exposure(access, classes),
        bits_per_answer=bits_per_answer(access, classes),
    )


def bits_per_answer(access: Access, classes: int) -> float:
    """An upper bound on the bits that one answer can carry, by counting the answers that there could be.

    A label is one of ``classes``; probabilities in steps of 10^-d are the ways to share 10^d steps among the classes;
    a float32 score counts as ``FLOAT_BITS``.
    """
    if access.answer is Answer.LABELS:
        return math.log2(classes)
    if access.answer is Answer.TOP_K:
        shown = min(access.top_k or 1, classes)
        which = _log2_ways(classes, shown) + _log2_factorial(shown)
        values = shown if shown < classes else classes - 1
        return which + (
            FLOAT_BITS * values if access.decimals is None else _log2_ways(10**access.decimals + shown, shown)
        )
    if access.answer is Answer.PROBABILITIES:
        if access.decimals is None:
            return float(FLOAT_BITS * (classes - 1))
        return _log2_ways(10**access.decimals + classes - 1, classes - 1)
    return float(FLOAT_BITS * classes)


def _log2_factorial(n: int) -> float:
    return math.lgamma(n + 1) / math.log(2)


def _log2_ways(n: int, k: int) -> float:
    """Base-2 logarithm of the number of ways to choose k of n."""
    return _log2_factorial(n) - _log2_factorial(k) - _log2_factorial(n - k)


def _adversary(access: Access, pool: str, architecture: str, largest_budget: int) -> tuple[Assumption, ...]:
    return (
        Assumption(
            topic="access",
            assumed=f"one paying client, who sees {access} and never the model itself",
            why="Insiders and leaked weights need no queries; no API defense stops them.",
        ),
        Assumption(
            topic="queries",
            assumed=f"up to {largest_budget:,}, one input each, with no quota, detector or refusal in the way",
            why="Several accounts can share a budget, so a limit per client is not a limit per thief.",
        ),
        Assumption(topic="inputs", assumed=pool, why="Inputs of another kind usually cost the thief more queries."),
        Assumption(
            topic="architecture",
            assumed=architecture,
            why="Knowing the model's own architecture, or starting from a pretrained one, can only help a thief.",
        ),
        Assumption(
            topic="training data",
            assumed="none of the owner's rows, and no true labels",
            why="The thief pays for answers in place of labels.",
        ),
        Assumption(
            topic="behaviour",
            assumed="follows the published attacks as they are, with default settings",
            why="A thief who tunes for this very model does at least as well: read every number as a lower bound.",
        ),
    )


def _goals(access: Access, labelled_test: bool) -> tuple[Goal, ...]:
    scores = access.answer not in (Answer.LABELS, Answer.TOP_K)
    return (
        Goal(
            name="an exact copy",
            meaning="the same function everywhere, also far from any real input; its secrets are then the thief's",
            measure="agreement on uniform inputs" + (" and total variation there" if scores else ""),
            measured=True,
        ),
        Goal(
            name="the functionality",
            meaning="a model that does the job, to sell or to use without paying",
            measure="fidelity on held-out inputs" + (" and relative accuracy" if labelled_test else ""),
            measured=True,
        ),
        Goal(
            name="a stepping stone for evasion",
            meaning="a stand-in on which to craft inputs that fool the original",
            measure="transfer of adversarial examples; fidelity helps but does not settle it",
            measured=False,
        ),
    )


def _exposure(access: Access, classes: int) -> tuple[Exposure, ...]:
    answer, decimals = access.answer, access.decimals
    scores = {
        Answer.LABELS: "no",
        Answer.TOP_K: f"the {access.top_k} largest of {classes}",
        Answer.PROBABILITIES: f"all {classes}",
        Answer.LOGITS: f"all {classes}, as logits",
    }.get(answer, str(answer))
    precision = "no scores" if answer is Answer.LABELS else "full" if decimals is None else f"{decimals} decimals"
    return (
        Exposure(
            part="predicted label",
            shown="yes",
            gives="enough to train a surrogate, and to walk along the decision boundary by bisection",
        ),
        Exposure(
            part="scores",
            shown=scores,
            gives="how sure the model is: every answer then says how far the boundary is, in all directions shown",
        ),
        Exposure(
            part="precision of scores",
            shown=precision,
            gives="at full precision answers are equations: a linear model of d inputs is solved by d + 1 of them",
        ),
        Exposure(
            part="logits",
            shown="yes" if answer is Answer.LOGITS else "no",
            gives="scores before normalisation, from which weights of small ReLU networks can be read off",
        ),
        Exposure(
            part="answers to incomplete inputs",
            shown="yes" if access.incomplete else "no",
            gives="the inner nodes of a decision tree, one by one",
        ),
    )
