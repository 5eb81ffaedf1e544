r"""The stage rule: do two protections conflict? A conjecture from when they act and what they change, without training.

After Def\Con (Duddu, Zhang, Asokan, "Combining Machine Learning Defenses without Conflicts", TMLR 2025,
arXiv:2411.09776).

What we know of it: a defense acts before, during or after the training; a combination is called conflicting or aligned
without running it; the authors' 38 conjectures beside their measurements, which they released. What we do not have is
the wording of their rule, so that the four steps here are **our reading**:

1. One uses a risk itself that the other is meant to lower: conflict. (Read off the released conjectures: those of the
   30 new pairs that say "conflict" are exactly the watermarks by poisoned rows beside defenses against poisoning.)
2. Both act during the training: conflict, since they compete through one loss.
3. The later one changes what the earlier one changed (the data, the weights, the answers): conflict, it may be undone.
4. Else: aligned.

``score`` says how often that agrees with pairs that somebody measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from stealproof import catalog
from stealproof.errors import IncompatibleDefenses, InputError
from stealproof.interactions.stages import Act, Moment, act_of, in_words
from stealproof.measures.intervals import proportion
from stealproof.roles.training_defense import TrainingDefense, check_composition

Guess = Literal["conflict", "aligned"]
Rule = Literal["refused", "risk", "one loss", "override", "none"]

SOURCE = "Duddu, Zhang & Asokan 2025 (our reading)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conjecture:
    """What the stage rule expects of two protections."""

    one: Act
    other: Act
    guess: Guess
    rule: Rule
    """The step that decided; "refused" when the two can't be trained together at all, which is no conjecture."""
    reason: str
    """One sentence."""

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "one": self.one.as_dict(),
            "other": self.other.as_dict(),
            "conjecture": self.guess,
            "rule": self.rule,
            "reason": self.reason,
            "source": SOURCE,
        }


def conjecture(one: str, other: str) -> Conjecture:
    """The conjecture on two registered protections, by their catalog names.

    Raises:
        UnknownName: a name that the catalog does not have.
        InputError: the same protection twice, or something that protects no model.
    """
    first, second = act_of(one), act_of(other)
    if first.name == second.name:
        raise InputError(f"{first.name} can't be compared with itself; name two different protections")
    refusal = _refusal(first.name, second.name)
    if refusal:
        return Conjecture(one=first, other=second, guess="conflict", rule="refused", reason=refusal)
    return by_stage(first, second)


def _refusal(*names: str) -> str:
    """Why ``fit`` would not train these together, whatever their parameters; empty when it would."""
    classes = [cls for cls in map(catalog.load, names) if issubclass(cls, TrainingDefense)]
    try:
        check_composition(classes)
    except IncompatibleDefenses as error:
        return str(error)
    return ""


def by_stage(one: Act, other: Act) -> Conjecture:
    """The stage rule on two acts, in whatever order."""
    guess, rule, reason = _decide(one, other)
    return Conjecture(one=one, other=other, guess=guess, rule=rule, reason=reason)


def _decide(one: Act, other: Act) -> tuple[Guess, Rule, str]:
    for user, enemy in ((one, other), (other, one)):
        risks = user.uses & enemy.lowers
        if risks:
            words = ", ".join(sorted(risks))
            return "conflict", "risk", f"{user.name} uses {words} itself, which {enemy.name} is meant to lower"
    earlier, later = sorted((one, other), key=lambda act: act.moment)
    if earlier.moment is later.moment is Moment.IN:
        return "conflict", "one loss", f"{one.name} and {other.name} compete through one loss in the same training"
    common = earlier.changes & later.changes
    if common:
        how = "after it" if earlier.moment is not later.moment else "at the same stage"
        return (
            "conflict",
            "override",
            f"{earlier.name} changes {in_words(common)}, and {later.name} changes the same {how}",
        )
    idle = [act for act in (one, other) if not act.changes]
    if idle:
        return "aligned", "none", f"{idle[0].name} changes nothing that the other could override, and overrides nothing"
    places = f"{earlier.name} changes {in_words(earlier.changes)} and {later.name} {in_words(later.changes)}"
    return "aligned", "none", f"{places}, so that neither undoes the other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a rule's conjectures agree with measured pairs."""

    conflicts: int
    found: int
    """Of the conflicts, those that were conjectured."""
    aligned: int
    spared: int
    """Of the aligned pairs, those that were conjectured to be aligned."""
    balanced_accuracy: float
    low: float
    high: float
    """Of an interval that holds at least 95%: exact for each rate, then square-and-add of the halves."""


def score(pairs: Iterable[tuple[Guess, Guess]]) -> Score:
    """Score pairs of (conjecture, what was measured).

    Raises:
        InputError: no conflict, or nothing aligned, among the measured: then there is no balanced accuracy.
    """
    kept = list(pairs)
    conflicts = [guess for guess, truth in kept if truth == "conflict"]
    aligned = [guess for guess, truth in kept if truth == "aligned"]
    if not conflicts or not aligned:
        raise InputError("a balanced accuracy needs measured pairs of both kinds, conflicting and aligned")
    rates = [
        proportion(sum(guess == kind for guess in found), len(found))
        for kind, found in (("conflict", conflicts), ("aligned", aligned))
    ]
    balanced = sum(rate.value for rate in rates) / 2
    return Score(
        conflicts=len(conflicts),
        found=conflicts.count("conflict"),
        aligned=len(aligned),
        spared=aligned.count("aligned"),
        balanced_accuracy=balanced,
        low=max(0.0, balanced - math.hypot(*(rate.value - rate.low for rate in rates)) / 2),
        high=min(1.0, balanced + math.hypot(*(rate.high - rate.value for rate in rates)) / 2),
    )
