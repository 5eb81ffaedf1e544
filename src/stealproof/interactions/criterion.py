"""Do two protections get along? Each alone against both together, seed by seed, judged by a criterion.

The criterion of Szyller & Asokan (AAAI 2023), with an interval: what one protection reaches alone minus what it reaches
beside the other, paired by seed, against a limit that was stated before. ``limits.py`` holds the criterion itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stealproof.errors import InputError, UnknownName
from stealproof.interactions import _series
from stealproof.interactions.limits import ACCURACY, DEFAULT_CRITERION, Criterion, Limit
from stealproof.measures.estimate import Estimate
from stealproof.measures.paired import Comparison

__all__ = ["ACCURACY", "DEFAULT_CRITERION", "Criterion", "Interaction", "Limit", "Outcome", "interaction", "judge"]

Verdict = Literal["conflict", "fine", "undecided"]
Values = Sequence[float | Estimate]
"""One value a seed, in the same order of seeds everywhere; the ``Estimate`` of each run when it has an interval."""

ROUNDING = 1e-9
"""Differences of decimal fractions miss their value by about 1e-16; a loss of exactly the limit is tolerated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one measure says of a pair."""

    measure: str
    of: str
    """The protection whose measure it is; empty for the accuracy, which is nobody's."""
    alone: Estimate
    """Of that protection alone; for the accuracy, of the one that is less accurate alone."""
    together: Estimate
    difference: Comparison
    """The loss: alone minus together, or together minus alone where higher is worse. Positive is harm."""
    limit: Limit
    verdict: Verdict

    @property
    def tolerated(self) -> float:
        """The largest tolerated loss in the measure's own units."""
        return self.limit.drop * self.alone.value if self.limit.relative else self.limit.drop

    @property
    def lost(self) -> float:
        """The loss in units of what is tolerated; above 1 is too much. Infinite when nothing is tolerated."""
        value = self.difference.difference.value
        if abs(value) <= ROUNDING:
            return 0.0
        return value / self.tolerated if self.tolerated else math.copysign(math.inf, value)

    def as_dict(self) -> dict[str, Any]:
        """JSON types; bounds that are not known are None."""
        return {
            "measure": self.measure,
            "of": self.of,
            "alone": _estimate_as_dict(self.alone),
            "together": _estimate_as_dict(self.together),
            "difference": _estimate_as_dict(self.difference.difference),
            "p_value": self.difference.p_value,
            "limit": self.limit.as_dict(),
            "tolerated": self.tolerated,
            "verdict": self.verdict,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Outcome:
        """The outcome that ``as_dict`` described."""
        return cls(
            measure=plain["measure"],
            of=plain["of"],
            alone=_estimate_from_dict(plain["alone"]),
            together=_estimate_from_dict(plain["together"]),
            difference=Comparison(difference=_estimate_from_dict(plain["difference"]), p_value=plain["p_value"]),
            limit=Limit(**plain["limit"]),
            verdict=plain["verdict"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """What the criterion says of two protections."""

    one: str
    """As the user wrote it: ``dp_sgd(epsilon=3)``."""
    other: str
    outcomes: tuple[Outcome, ...]

    @property
    def verdict(self) -> Verdict:
        """A conflict if any outcome is one; else undecided if any is; else fine."""
        found = {outcome.verdict for outcome in self.outcomes}
        return "conflict" if "conflict" in found else "undecided" if "undecided" in found else "fine"

    def sentence(self) -> str:
        """What a practitioner needs to know, in one sentence."""
        from stealproof.interactions.sentence import sentence

        return sentence(self)

    def as_dict(self) -> dict[str, Any]:
        """JSON types, with the verdict and the sentence for readers; ``from_dict`` reads it back."""
        return {
            "one": self.one,
            "other": self.other,
            "verdict": self.verdict,
            "sentence": self.sentence(),
            "outcomes": [outcome.as_dict() for outcome in self.outcomes],
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Interaction:
        """The interaction that ``as_dict`` described.

        Raises:
            InputError: a record that misses a part.
        """
        try:
            outcomes = tuple(Outcome.from_dict(outcome) for outcome in plain["outcomes"])
            return cls(one=plain["one"], other=plain["other"], outcomes=outcomes)
        except (KeyError, TypeError) as error:
            raise InputError(f"expected a recorded interaction, but a part is missing or malformed: {error}") from None


def interaction(
    one: str,
    other: str,
    *,
    alone: Mapping[str, Mapping[str, Values]],
    together: Mapping[str, Values],
    criterion: Criterion = DEFAULT_CRITERION,
) -> Interaction:
    """Judge two protections.

    Args:
        one: a protection, in the words that name it in ``alone``.
        other: another one.
        alone: for each of the two, its own measures and the ``accuracy`` of the network that has it alone. Leave out
            what it was not deployed for: the other's presence may change that without a conflict. The plain network
            may stand under ``""``; nothing is judged by it.
        together: the same measures of the network that has both.
        criterion: measures without a limit are not judged.

    With a single seed an interval over seeds is unknown and every verdict is "undecided", unless each value is an
    ``Estimate``: then the rows' own intervals decide, and ``difference.method`` says so.

    Raises:
        UnknownName: ``alone`` does not know one of the two.
        InputError: the same protection twice; of a measure with a limit, values that are not finite, or not one for
            each seed, or none of both together; a relative limit whose measure is about 0 alone; nothing to judge.
    """
    if one == other:
        raise InputError(f"{one} can't be compared with itself; name two different protections")
    for name in (one, other):
        if name not in alone:
            raise UnknownName.among("protection with measures of its own", name, [key for key in alone if key])
    pair = f"{one} with {other}"
    outcomes = []
    for of, measure, sides in _judged(one, other, alone):
        limit = criterion.limit(measure)
        if limit is None:
            continue
        if measure not in together:
            raise InputError(f"{measure} was measured of {' and '.join(sides)} alone, but not of {pair}")
        after = _series.checked(together[measure], f"{measure} of {pair}")
        befores = [_series.checked(values, f"{measure} of {name} alone") for name, values in sides.items()]
        for name, before in zip(sides, befores, strict=True):
            if len(before) != len(after):
                raise InputError(
                    f"{measure} of {name} alone has {len(before)} values, of {pair} {len(after)};"
                    " a paired comparison needs the same seeds everywhere"
                )
        # A protection's own price is no conflict: the pair answers for what the costlier one alone does not take.
        outcomes.append(_outcome(measure, of, min(befores, key=_mean), after, limit))
    if not outcomes:
        limits = ", ".join(limit.measure for limit in criterion.limits)
        raise InputError(
            f"nothing to judge for {pair}: no measure of theirs has a limit; there are limits for {limits}"
        )
    return Interaction(one=one, other=other, outcomes=tuple(outcomes))


def _judged(
    one: str, other: str, alone: Mapping[str, Mapping[str, Values]]
) -> Iterator[tuple[str, str, dict[str, Values]]]:
    """What can be judged: whose measure, its name, and the values of those who have it alone."""
    accuracies = {name: alone[name][ACCURACY] for name in (one, other) if ACCURACY in alone[name]}
    if len(accuracies) == 1:
        raise InputError(f"the accuracy of {next(iter(accuracies))} alone is known, but not that of the other alone")
    if accuracies:
        yield "", ACCURACY, accuracies
    for name in (one, other):
        for measure, values in alone[name].items():
            if measure != ACCURACY:
                yield name, measure, {name: values}


def judge(difference: Estimate, tolerated: float) -> Verdict:
    """A conflict when the whole interval of the loss lies above what is tolerated, fine when none of it does."""
    if difference.low > tolerated + ROUNDING:
        return "conflict"
    return "fine" if difference.high <= tolerated + ROUNDING else "undecided"


def _outcome(
    measure: str, of: str, alone: Sequence[_series.Value], together: Sequence[_series.Value], limit: Limit
) -> Outcome:
    before, after = _series.summary(alone, measure), _series.summary(together, measure)
    if limit.relative and before.value <= ROUNDING:
        raise InputError(
            f"{measure} of {of or 'the network'} alone is {before.value:.3g}, of which no share can be lost;"
            " give it a limit in its own units, or find out why it does not work alone"
        )
    pair = (alone, together) if limit.worse == "lower" else (together, alone)
    difference = _series.loss(*pair, measure)
    tolerated = limit.drop * before.value if limit.relative else limit.drop
    return Outcome(
        measure=measure,
        of=of,
        alone=before,
        together=after,
        difference=difference,
        limit=limit,
        verdict=judge(difference.difference, tolerated),
    )


def _mean(values: Sequence[_series.Value]) -> float:
    return math.fsum(map(_series.plain, values)) / len(values)


def _estimate_as_dict(estimate: Estimate) -> dict[str, Any]:
    plain = estimate.as_dict()
    return plain | {side: None for side in ("low", "high") if not math.isfinite(plain[side])}


def _estimate_from_dict(plain: Mapping[str, Any]) -> Estimate:
    low, high = plain["low"], plain["high"]
    return Estimate(**{**plain, "low": -math.inf if low is None else low, "high": math.inf if high is None else high})
