"""The factor guideline: does a defense raise or lower a risk? From which causes of overfitting both have in common.

After Duddu, Szyller & Asokan (IEEE S&P 2024); ``factors.py`` holds their tables. A defense that is effective moves
factors up or down; a risk grows as factors go up or down. Where both have a factor in common, equal directions say that
the risk rises, opposite ones that it falls.

The guideline in words leaves room; our mechanical reading: the active factors (O1, O2, O3) decide when they agree among
themselves; without any in common, the passive ones decide when they agree; else nothing is concluded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stealproof import catalog
from stealproof.interactions.factors import (
    DEFENSES,
    EXCEPTIONS,
    FACTORS,
    INTENDED,
    PUBLISHED,
    RISKS,
    SOURCE,
    Direction,
    active,
)
from stealproof.interactions.stages import POISONING, ROLES
from stealproof.roles.ownership import Fingerprint, Watermark
from stealproof.roles.training_defense import Hook, TrainingDefense

RISK_KINDS = {
    "evasion": "evasion",
    "evasion_ensemble": "evasion",
    "membership_inference": "membership inference",
    "lira": "membership inference",
    "model_theft": "unauthorized ownership",
    "unauthorized_ownership": "unauthorized ownership",
}
"""Kinds of the catalog's risks, by name; a risk that is not here has no known factors."""
TO_LOWER = {"evasion": "adversarial training", POISONING: "outlier removal"}
"""The kind of a training defense that is meant to lower a kind of risk, whatever hooks it uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """One factor that a defense and a risk share."""

    factor: str
    defense: int
    """+1 when an effective defense goes with more of it, -1 with less."""
    risk: int
    """+1 when more of it goes with more susceptibility, -1 with less."""

    @property
    def says(self) -> Direction:
        """What this factor alone says of the risk."""
        return "rises" if self.defense == self.risk else "falls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the guideline says of a kind of defense and a kind of risk."""

    defense: str
    risk: str
    common: tuple[Common, ...]
    conclusion: Direction | None
    """None where the guideline decides nothing."""
    reason: str
    published: Direction | None
    """The table's cell; None where nobody has looked."""
    exception: str

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "defense": self.defense,
            "risk": self.risk,
            "factors": [
                {
                    "factor": shared.factor,
                    "name": FACTORS[shared.factor],
                    "active": active(shared.factor),
                    "defense": shared.defense,
                    "risk": shared.risk,
                    "says": shared.says,
                }
                for shared in self.common
            ],
            "conclusion": self.conclusion,
            "reason": self.reason,
            "published": self.published,
            "exception": self.exception,
            "intended": (self.defense, self.risk) in INTENDED,
            "source": SOURCE,
        }


def read(defense: str, risk: str) -> Reading:
    """The guideline, applied mechanically to a kind of ``DEFENSES`` and a kind of ``RISKS``."""
    ours, theirs = DEFENSES[defense], RISKS[risk]
    common = tuple(Common(factor=f, defense=ours[f], risk=theirs[f]) for f in FACTORS if f in ours and f in theirs)
    dominant = [shared for shared in common if active(shared.factor)]
    deciding = dominant or list(common)
    said = {shared.says for shared in deciding}
    names = ", ".join(shared.factor for shared in deciding)
    kind = "active" if dominant else "passive"
    if not common:
        reason = "they have no factor in common"
    elif len(said) > 1:
        reason = f"the {kind} factors in common disagree ({names})"
    else:
        reason = f"the {kind} factors in common agree ({names})"
    return Reading(
        defense=defense,
        risk=risk,
        common=common,
        conclusion=said.pop() if len(said) == 1 else None,
        reason=reason,
        published=PUBLISHED[defense, risk],
        exception=EXCEPTIONS.get((defense, risk), ""),
    )


def unintended() -> Iterator[Reading]:
    """The readings of all cells that somebody explored, without the intended ones."""
    for cell, published in PUBLISHED.items():
        if published is not None and cell not in INTENDED:
            yield read(*cell)


def defense_kind(name: str) -> str | None:
    """Which of ``DEFENSES`` a registered protection is, from its class; None when no factors are known."""
    entry = catalog.find(name)
    if not set(entry.roles) & set(ROLES):
        return None
    cls = catalog.load(entry.name)
    if issubclass(cls, Watermark):
        return "watermarking"
    if issubclass(cls, Fingerprint):
        return "fingerprinting"
    if not issubclass(cls, TrainingDefense):
        return None
    for risk in cls.protects_from:
        kind = TO_LOWER.get(RISK_KINDS.get(risk, risk))
        if kind is not None:
            return kind
    if Hook.PRIVATIZE in cls.hooks():
        return "differential privacy"
    return "outlier removal" if cls.hooks() == {Hook.PREPARE} else None


def risk_kind(name: str) -> str | None:
    """Which of ``RISKS`` a registered risk is; None when no factors are known."""
    return RISK_KINDS.get(catalog.find(name, "risk").name)
