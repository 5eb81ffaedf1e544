"""Hearing: what a judge is given (the dossier, the parties, whom to believe), and the judgement that comes of it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stealproof.claims import Decision, Verdict

if TYPE_CHECKING:
    import torch

    from stealproof.oracle import Oracle


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A suspect or a control model before the judge."""

    name: str
    oracle: Oracle
    digest: str = ""
    """SHA-256 of the manifest of the model's files; empty for one behind a URL."""
    model: torch.nn.Module | None = None
    """Its network, for a scheme that opens it and where there is one to open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """Everything that a judgement rests on but the models themselves; it goes into the verdict."""

    dossier: bytes
    roots: tuple[bytes, ...] = ()
    """Certificates in PEM of the time-stamping authorities that the judge trusts."""
    accuser: bytes = b""
    """The public key in PEM that the accuser is known by; empty when nobody vouches for it."""
    since: datetime.datetime | None = None
    """When the accuser could first look at the suspect, as far as the judge knows."""
    counter: bytes = b""
    """A dossier by which the suspect's maker claims the suspect, or empty."""
    attempts: int = 1
    """Plans or claims of this accuser for this model that the judge knows of, this one included, at least 1."""
    level: float = 1e-3
    """Largest acceptable chance of accusing an independent model; each attempt of the accuser gets its share of it."""
    seed: int = 0
    controls_are: str = ""
    """What the control models are, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinding:
    """What one step of a judgement came to."""

    step: str
    ok: bool | None
    """Whether the step holds; None where it can't tell and need not."""
    words: str

    def in_json(self) -> dict[str, Any]:
        """This finding in JSON types."""
        return {"step": self.step, "ok": self.ok, "words": self.words}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All findings in order, the last one being the decision."""

    findings: tuple[StepFinding, ...]
    decision: Decision
    verdict: Verdict
    """What the scheme's test on the suspect said, which is one of the findings."""
