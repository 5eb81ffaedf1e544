"""Comparable controls: who is better at the task than every control model stands out without being a copy."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.court.case import Case, Complaint, HeldOut
from stealproof.court.countermeasures.count_plans import nobody_chose
from stealproof.court.countermeasures.countermeasure import Countermeasure
from stealproof.measures.binomial import matches_p_value
from stealproof.oracle import Domain
from stealproof.roles.trial import JUDGE

NOISE = 0.1
"""Largest change of a value of held-out rows, as a share of the domain's width."""
ASIDE = ((0, 1), (2, 1), (1, 0), (1, 2))
"""Where an image begins that is moved by one pixel, inside one with an edge of one more: down, up, right and left."""


@dataclass(frozen=True, kw_only=True)
class ComparableControls(Countermeasure):
    """Require control models that do the task as well as the suspect: a better one stands out without being a copy.

    Who claims ordinary inputs with their true labels, such that only good models get them right, convicts every model
    that is better than the controls. So all are asked held-out rows as they are, with noise, and images moved aside by
    a pixel. The suspect must not be better than the best control at any of these (exact sign test of the rows on which
    one of the two is right). Without held-out rows nobody can tell, and it does not object; nor does it where nobody
    chose inputs and labels, or where no input has any.
    """

    level: float = 0.01
    """Chance at most of objecting to a suspect that is exactly as good as the best control; 0 to 1."""

    def _about_suspect(self, case: Case) -> str | None:
        complaint, held = case.complaint, case.complaint.held_out
        chosen = "labels" in complaint.claim.secrets and not nobody_chose(complaint.claim)
        if held is None or not complaint.controls or not chosen:
            return None
        domain = case.suspect.domain
        ask_controls = functools.partial(_asked, complaint, held, domain)
        asked, _ = complaint.once(("held-out rows", domain.low, domain.high), ask_controls, any_claim=True)
        for kind, (rows, best) in asked.items():
            right = case.suspect.ask(rows).predicted == held.y
            gained, lost = int((right & ~best).sum()), int((best & ~right).sum())
            if gained and matches_p_value(gained, gained + lost, 0.5) <= self.level / len(asked):
                return (
                    f"the suspect is right on {right.mean():.0%} of {len(right)} held-out rows {kind}, and the best of"
                    f" {len(complaint.controls)} control models on {best.mean():.0%}: so good an innocent model could"
                    " stand out as well; ask control models as good as it"
                )
        return None


def versions(x: NDArray[np.float32], domain: Domain, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """The rows ``(n, *shape)`` as they are and, where that is legal, a little changed, by what was done to them."""
    found = {"as they are": x}
    extent = domain.high - domain.low
    if domain.levels or not np.isfinite(extent):
        return found
    noise = rng.uniform(-NOISE * extent, NOISE * extent, size=x.shape)
    found["with noise"] = np.asarray(domain.clip(x + noise), dtype=np.float32)
    if x.ndim == 4:
        edges = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        height, width = x.shape[2:]
        aside = [edges[:, :, down : down + height, right : right + width] for down, right in ASIDE]
        moved = np.stack(aside)[np.arange(len(x)) % len(ASIDE), np.arange(len(x))]
        found["moved aside by a pixel"] = np.ascontiguousarray(moved)
    return found


def _asked(
    complaint: Complaint, held: HeldOut, domain: Domain
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """By what was done to them: the rows, and which of them the control model gets right that gets most right."""
    kinds = versions(held.x, domain, seeds.rng(complaint.seed, JUDGE, "held-out rows"))
    return {
        kind: (rows, max((control.ask(rows).predicted == held.y for control in complaint.controls), key=np.sum))
        for kind, rows in kinds.items()
    }
