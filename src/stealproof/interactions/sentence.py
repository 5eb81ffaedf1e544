"""The sentence that a practitioner needs of two protections, made of what was measured and of nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stealproof.interactions._series import NO_SPREAD, ROWS_ONLY, YES_OR_NO
from stealproof.interactions.limits import ACCURACY

if TYPE_CHECKING:
    from stealproof.interactions.criterion import Interaction, Outcome
    from stealproof.measures.estimate import Estimate

EFFECT = "effect"
"""Last part of the names of a scheme's signal; it explains a lost proof."""


def sentence(interaction: Interaction, rescues: Sequence[tuple[str, Interaction]] = ()) -> str:
    """What was found of a pair, and what to do about it when that was measured too.

    Args:
        interaction: of the pair.
        rescues: other ways of deploying the same two, by name, judged by the same criterion. Only these are advised.
    """
    said = f"{interaction.one} with {interaction.other}: {interaction.verdict}: {_reasons(interaction)}"
    if any(outcome.difference.difference.method == ROWS_ONLY for outcome in interaction.outcomes):
        said += " (one seed: the intervals are those of the rows, not of repeated training)"
    said += "."
    return said if interaction.verdict == "fine" or not rescues else f"{said} {_advice(rescues)}"


def number(value: float) -> str:
    """A number in two digits behind the point, as tables of accuracies print it: ``.98``."""
    if abs(value) >= 10:
        return f"{value:.3g}"
    if 0 < abs(value) < 0.005:
        return f"{value:.1g}"
    text = f"{value:.2f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and not text.endswith("1.00") else text


def _reasons(interaction: Interaction) -> str:
    decisive = [outcome for outcome in interaction.outcomes if outcome.verdict == interaction.verdict]
    if interaction.verdict == "fine":
        return ", ".join(f"{_name(outcome)} {_level(outcome)}" for outcome in decisive)
    if interaction.verdict == "undecided":
        return "; ".join(map(_doubt, decisive)) + "; repeat with more seeds"
    proofs = {outcome.of for outcome in decisive if _last(outcome) == YES_OR_NO}
    explained = [outcome for outcome in decisive if not (_last(outcome) == EFFECT and outcome.of in proofs)]
    return "; ".join(_change(outcome) + _signal(outcome, interaction) for outcome in explained)


def _signal(outcome: Outcome, interaction: Interaction) -> str:
    """How the signal behind a proof changed, in parentheses; nothing when the outcome is no proof."""
    if _last(outcome) != YES_OR_NO:
        return ""
    for other in interaction.outcomes:
        if other.of == outcome.of and _last(other) == EFFECT:
            return f" (its effect {_moves(other)})"
    return ""


def _change(outcome: Outcome) -> str:
    if _last(outcome) == YES_OR_NO:
        return f"{_name(outcome)} {_level(outcome)}"
    return f"{_name(outcome)} {_moves(outcome)}, where a loss of {number(outcome.tolerated)} is tolerated"


def _doubt(outcome: Outcome) -> str:
    loss = outcome.difference.difference
    if loss.method == NO_SPREAD:
        return f"{_name(outcome)} {_level(outcome)}, and one seed has no interval"
    return (
        f"{_name(outcome)} {_level(outcome)}, a loss between {number(loss.low)} and {number(loss.high)}"
        f" where {number(outcome.tolerated)} is tolerated"
    )


def _name(outcome: Outcome) -> str:
    """``accuracy``, ``adi2018 proves ownership``, ``the robust accuracy (evasion) of pgd_training``."""
    if outcome.measure == ACCURACY:
        return "the accuracy"
    last = _last(outcome)
    if last == YES_OR_NO:
        return f"{outcome.of} proves ownership"
    where = outcome.measure.rpartition(".")[0]
    # A scheme's own measures carry its name already.
    against = f" ({where.replace('_', ' ')})" if where and not outcome.of.startswith(where) else ""
    return f"the {last.replace('_', ' ')}{against} of {outcome.of}"


def _level(outcome: Outcome) -> str:
    if _last(outcome) == YES_OR_NO:
        return f"in {_count(outcome.together)} runs, alone in {_count(outcome.alone)}"
    return f"is {number(outcome.together.value)}, alone {number(outcome.alone.value)}"


def _moves(outcome: Outcome) -> str:
    before, after = outcome.alone.value, outcome.together.value
    verb = "falls" if after < before else "rises" if after > before else "stays"
    return f"{verb} from {number(before)} to {number(after)}"


def _count(estimate: Estimate) -> str:
    return f"{round(estimate.value * estimate.n)} of {estimate.n}"


def _last(outcome: Outcome) -> str:
    return outcome.measure.rpartition(".")[2]


def _advice(rescues: Sequence[tuple[str, Interaction]]) -> str:
    helpful = [(name, found) for name, found in rescues if found.verdict == "fine"]
    if not helpful:
        tried = ", ".join(f"{name} ({found.verdict})" for name, found in rescues)
        return f"No way out was found; tried: {tried}."
    helpful.sort(key=lambda pair: -_accuracy(pair[1]))
    return f"Measured to be fine: {'; '.join(f'{name}{_price(found)}' for name, found in helpful)}."


def _price(found: Interaction) -> str:
    accuracy = _accuracy(found)
    return f" (accuracy {number(accuracy)})" if math.isfinite(accuracy) else ""


def _accuracy(found: Interaction) -> float:
    """Of both together; -inf when it was not judged."""
    return next((o.together.value for o in found.outcomes if o.measure == ACCURACY), -math.inf)
