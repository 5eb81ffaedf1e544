"""Claim and Verdict: what an accuser holds, and what a judge says.

No ownership scheme answers with a bare bool. Each one fills the same ``Verdict``, so that any two schemes can stand
in one table, and a reader sees the null hypothesis, the p-value and the controls beside the decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Decision(StrEnum):
    """What a judge may say about a suspect."""

    OWNED = "owned"
    NOT_OWNED = "not owned"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an accuser holds: the scheme, its parameters, and the secrets that verification opens."""

    scheme: str
    """Catalog name of the ownership scheme."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Constructor parameters of the scheme."""
    model_digest: str = ""
    """SHA-256 of the claimed model's weights, in hexadecimal; empty when only its answers are claimed."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
    """NumPy arrays, texts and numbers by name; never published in the clear. By convention ``inputs`` ``(n, *shape)``
    are what the suspect will be asked, and ``labels`` ``(n,)`` what a stolen copy would answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of testing one claim against one suspect."""

    scheme: str
    decision: Decision
    null: str
    """The null hypothesis in words, for instance "the suspect was made without knowledge of the triggers"."""
    statistic: float
    """The observed test statistic, for instance the number of matching triggers."""
    threshold: float
    """The value of the statistic at which the null is rejected at ``level``."""
    p_value: float
    """Probability under the null of a statistic at least this extreme; 0 to 1."""
    level: float
    """The stated false-accusation rate; 0 to 1."""
    e_value: float | None = None
    """Evidence against the null that stays valid under optional stopping; at least 1/level rejects."""
    effect: float | None = None
    """Effect size in the scheme's own unit; larger means more like a stolen copy."""
    queries: int = 0
    """Inputs sent to the suspect."""
    published_threshold: float | None = None
    """The paper's own fixed threshold of the statistic, where it has one; it decides nothing here."""
    controls: tuple[float, ...] = ()
    """The same statistic on independent reference models."""
    reasons: tuple[str, ...] = ()
    """Why the decision is what it is, one sentence each, in order."""

    def in_json(self) -> dict[str, Any]:
        """This verdict in JSON types; what is not finite (a threshold that nothing reaches) is null."""
        return {
            "decision": str(self.decision),
            "scheme": self.scheme,
            "null": self.null,
            "statistic": _finite(self.statistic),
            "threshold": _finite(self.threshold),
            "p_value": _finite(self.p_value),
            "level": self.level,
            "e_value": _finite(self.e_value),
            "effect": _finite(self.effect),
            "queries": self.queries,
            "published_threshold": _finite(self.published_threshold),
            "controls": [_finite(value) for value in self.controls],
            "reasons": list(self.reasons),
        }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
