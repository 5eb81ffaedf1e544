"""Complaint and Case: one claim before the court with all that a judge may hold it against, and each suspect of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from stealproof.claims import Claim, Decision, Verdict
from stealproof.court._vote import Vote
from stealproof.measures.binomial import critical_matches
from stealproof.oracle import Oracle
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.ownership import Ownership
from stealproof.roles.trial import Calibration

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Known = dict[Hashable, tuple[object, float]]
"""What was found, and the seconds that it took."""
COMPARED = 2000
"""Most held-out rows by which suspect and control models are compared: of 500, too few show who is better."""
VOTERS = 15
"""Control models that vote; more hardly change what they say together."""
PUBLISHED_LEVEL = 0.05
"""At which a published scheme without a threshold of its own says that its marks are there (Jia et al. 2021)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What an accuser opens to the judge, who keeps it secret; both were committed to with the claim."""

    model: torch.nn.Module
    """From which the suspect is said to be stolen."""
    data: Dataset
    """The owner's rows; ``train`` is what the model was trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Rows of the suspect's task with their true labels, by which a judge sees who does it better."""

    x: NDArray[np.float32]
    """``(n, *shape)``, legal in the suspect's domain."""
    y: NDArray[np.int64]
    """``(n,)``."""

    @classmethod
    def of(cls, part: Part) -> HeldOut:
        """The first ``COMPARED`` rows of ``part``, whose labels are classes ``(n,)``."""
        some = part.take(slice(0, COMPARED))
        return cls(x=some.x.numpy().astype(np.float32), y=some.y.numpy().astype(np.int64))


@dataclass(kw_only=True, eq=False)
class Complaint:
    """One claim and what the judge has. What is found about the claim alone is found once, whatever many suspects."""

    scheme: Ownership
    claim: Claim
    level: float = 1e-3
    """False-accusation rate that the judge allows, 0 to 1."""
    seed: int = 0
    """Every choice of the judge follows from it."""
    controls: Sequence[Oracle] = ()
    """Models of the judge's that are known to be independent of everybody's."""
    networks: Sequence[torch.nn.Module] | None = None
    """Those of the control models, for a scheme that opens them."""
    opened: Opened | None = None
    held_out: HeldOut | None = None
    """Rows that show whether the controls do the task as well as a suspect; None where nobody gave the judge any."""
    of_controls: Known = field(default_factory=dict, repr=False)
    """What was found about the controls, whatever the claim: for all complaints with the same controls, rows and seed.
    """
    of_claim: Known = field(default_factory=dict, init=False, repr=False)
    saved: float = field(default=0.0, init=False)
    """Seconds that a judge of one suspect would have spent on what was known already."""

    def once(self, key: Hashable, make: Callable[[], T], *, any_claim: bool = False) -> tuple[T, float]:
        """What ``make`` gave when it was first called for ``key``, and the seconds that it took then.

        With ``any_claim`` the claim has no part in it, and other complaints against the same controls know it too.
        """
        known = self.of_controls if any_claim else self.of_claim
        if key in known:
            self.saved += known[key][1]
        else:
            start = time.perf_counter()
            made = make()
            known[key] = made, time.perf_counter() - start
        found, seconds = known[key]
        return found, seconds  # type: ignore[return-value]

    def calibrate(self, claim: Claim) -> Calibration:
        """What the scheme finds on all control models with ``claim``."""
        return self.scheme.calibrate(claim, self.controls, models=self.networks, level=self.level, seed=self.seed)

    @cached_property
    def calibration(self) -> Calibration:
        """What the scheme finds on all control models with the claim."""
        return self.calibrate(self.claim)

    @cached_property
    def vote(self) -> Vote:
        """What the first control models say together."""
        return Vote(self.controls[:VOTERS])


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One suspect of a complaint."""

    complaint: Complaint
    suspect: Oracle
    verdict: Verdict
    """Of the scheme on this suspect, without control models."""
    model: torch.nn.Module | None = None
    """The suspect's network, for a scheme that opens it."""
    precedes: bool = False
    """Whether a timestamp proves that the claim was committed to before the suspect was there."""

    @property
    def accused(self) -> bool:
        """What the scheme alone says: by its own null distribution or, where it has none, by its paper's rule."""
        scheme, verdict = self.complaint.scheme, self.verdict
        if scheme.exact:
            return verdict.decision is Decision.OWNED
        if scheme.published_threshold is not None:
            return verdict.statistic >= scheme.published_threshold
        n = len(self.complaint.claim.secrets["inputs"])
        return verdict.statistic * n >= critical_matches(n, 1 / self.suspect.classes, PUBLISHED_LEVEL)


def open_case(
    complaint: Complaint, suspect: Oracle, *, model: torch.nn.Module | None = None, precedes: bool = False
) -> Case:
    """Let the scheme examine ``suspect``."""
    verdict = complaint.scheme.verify(complaint.claim, suspect, level=complaint.level, seed=complaint.seed, model=model)
    return Case(complaint=complaint, suspect=suspect, verdict=verdict, model=model, precedes=precedes)
