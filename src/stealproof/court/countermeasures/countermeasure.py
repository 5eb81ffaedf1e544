"""Countermeasure: one thing that a judge can do so that a false accusation fails, and what it finds in a case."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar, final

from stealproof.court.case import Case, Complaint


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one countermeasure said in one case, and what it cost."""

    countermeasure: str
    objection: str | None
    """Why the accusation must not stand, one sentence; None when there is no reason."""
    seconds: float
    """Of the judge's, what was found about claim and controls for an earlier suspect included."""
    queries: int
    """Inputs sent to the suspect, beyond those of the scheme's own test."""


@dataclass(frozen=True, kw_only=True)
class Countermeasure:
    """Base of all. A subclass writes ``_about_claim``, ``_about_suspect`` or both."""

    judges: ClassVar[bool] = False
    """Whether it tells copies from independent models by itself, so that a paper's fixed threshold is not needed."""

    @classmethod
    def name(cls) -> str:
        """As studies and reports call it."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("_")

    @final
    def examine(self, case: Case) -> Finding:
        """Object to ``case``, or not."""
        objection, seconds = case.complaint.once(self, lambda: self._about_claim(case.complaint))
        before, start, saved = case.suspect.budget.spent, time.perf_counter(), case.complaint.saved
        if objection is None:
            objection = self._about_suspect(case)
        return Finding(
            countermeasure=self.name(),
            objection=objection,
            seconds=seconds + time.perf_counter() - start + case.complaint.saved - saved,
            queries=case.suspect.budget.spent - before,
        )

    def _about_claim(self, complaint: Complaint) -> str | None:
        return None

    def _about_suspect(self, case: Case) -> str | None:
        return None
