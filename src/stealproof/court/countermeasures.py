"""Countermeasures: what a judge can do so that a false accusation fails, each by itself and at its own price."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.claims import Claim, Decision
from stealproof.court.case import VOTERS, Case, Complaint
from stealproof.errors import EvidenceError, InputError, InvalidData
from stealproof.measures.binomial import matches_p_value
from stealproof.measures.conformal import conformal_p_value, controls_needed
from stealproof.measures.welch import welch_test
from stealproof.oracle import Domain
from stealproof.ownership._derived_book import inputs_follow, regenerated
from stealproof.roles.ownership import JUDGE, Calibration, Fingerprint, Trial, model_digest

GRINDABLE = 10**9
"""Timestamped plans that an accuser may collect in secret, to show the one whose triggers a suspect answers best. It
can hoard them before there is a suspect as well as after, so no date makes them fewer. Rounds of drand are no other in
this: each timestamp leads to one, and all of them are out before the accuser has to say which plan it shows."""

NOISE = 0.1
"""Largest change of a value of held-out rows, as a share of the domain's width."""
ASIDE = ((0, 1), (2, 1), (1, 0), (1, 2))
"""Where an image begins that is moved by one pixel, inside one with an edge of one more: down, up, right and left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one countermeasure said in one case, and what it cost."""

    countermeasure: str
    objection: str | None
    """Why the accusation must not stand, one sentence; None when there is no reason."""
    seconds: float
    """Of the judge's, what was found about the claim for an earlier suspect included."""
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
        before, start = case.suspect.budget.spent, time.perf_counter()
        if objection is None:
            objection = self._about_suspect(case)
        return Finding(
            countermeasure=self.name(),
            objection=objection,
            seconds=seconds + time.perf_counter() - start,
            queries=case.suspect.budget.spent - before,
        )

    def _about_claim(self, complaint: Complaint) -> str | None:
        return None

    def _about_suspect(self, case: Case) -> str | None:
        return None


@dataclass(frozen=True, kw_only=True)
class VerifyGeneration(Countermeasure):
    """Make derived triggers again, and let nothing be chosen after the suspect was there.

    A claim that says which of its inputs are training rows (dataset inference) rests on members and others having been
    dealt from one pile: control models, which know neither kind, must not find one kind easier. That refuses an honest
    claim as often as the level says. Whether the rows were trained on is the accuser's word, so nothing rests on it.
    """

    def _about_claim(self, complaint: Complaint) -> str | None:
        return _unlike(complaint) if "members" in complaint.claim.secrets else None

    def _about_suspect(self, case: Case) -> str | None:
        secrets = case.complaint.claim.secrets
        if "members" in secrets:
            return None
        if "beacon" not in secrets:
            late = "the accuser chose the triggers, and no timestamp shows that it did before the suspect was there"
            return None if case.precedes else late
        trial = Trial(
            claim=case.complaint.claim,
            suspect=case.suspect,
            model=None,
            level=case.complaint.level,
            seed=case.complaint.seed,
            progress=lambda what, share: None,
        )
        try:
            regenerated(trial)
        except EvidenceError as error:
            return str(error)
        return None


@dataclass(frozen=True, kw_only=True)
class CountPlans(Countermeasure):
    """Believe derived triggers only, and count them as the best of all plans that an accuser could have hoarded.

    It needs no control models: whoever shows the luckiest of so many plans is tested at a level that pays for all.
    """

    plans: int = GRINDABLE
    """Timestamped plans that nobody may have more of; at least 1."""

    def _about_suspect(self, case: Case) -> str | None:
        complaint = case.complaint
        secrets = complaint.claim.secrets
        if "beacon" not in secrets or not inputs_follow(secrets["terms"]):
            return "somebody chose the triggers, so that no plan was followed"
        # Asked again, since a test that may stop early stopped where the judge's own level was reached.
        found = complaint.scheme.verify(
            complaint.claim, case.suspect, level=complaint.level / self.plans, seed=complaint.seed, model=case.model
        )
        if found.decision is Decision.OWNED:
            return None
        return f"as the best of {self.plans:,} plans the verdict is {found.decision}: {found.reasons[0]}"


@dataclass(frozen=True, kw_only=True)
class ControlModels(Countermeasure):
    """Require that the suspect stands out from independent models.

    Its conformal p-value must be at most the level, and it must lie ``lead`` times as far above the median control as
    the highest one does. The p-value alone lets a share of innocents as large as the level pass; who is a copy lies far
    beyond all controls, and who is the luckiest of a hundred does not.
    """

    judges: ClassVar[bool] = True
    lead: float = 2.0
    """At least 1; 1 for the conformal p-value alone."""

    def _about_claim(self, complaint: Complaint) -> str | None:
        if not self.lead >= 1:
            raise InputError(f"lead must be at least 1, got {self.lead}")
        given, needed = len(complaint.controls), controls_needed(complaint.level)
        if given < needed:
            return f"at the level {complaint.level:g} it takes {needed} control models, got {given}"
        _calibration(complaint)
        return None

    def _about_suspect(self, case: Case) -> str | None:
        found, statistic = _calibration(case.complaint).statistics, case.verdict.statistic
        p_value = conformal_p_value(statistic, found)
        if p_value > case.complaint.level:
            return f"the suspect does not stand out from {len(found)} control models (p = {p_value:.3g})"
        usual, highest = float(np.median(found)), max(found)
        wanted = usual + self.lead * (highest - usual)
        if statistic < wanted:
            return (
                f"the suspect's statistic {statistic:.3g} is hardly above the highest of {len(found)} control models,"
                f" {highest:.3g}; it would have to be {wanted:.3g}"
            )
        return None


@dataclass(frozen=True, kw_only=True)
class TransferableExampleTest(Countermeasure):
    """Refuse a claim that convicts the vote of the control models: what convinces it convinces anybody.

    Where a scheme knows its null distribution, the vote is one more model that is independent of the claim's secrets,
    so that an honest claim is refused as often as the level says. Of other claims with labels, the vote must not give
    more than ``share``, which no theory says; the study measures what it refuses.
    """

    share: float = 0.5
    """Of the claimed labels, or of the control networks where a scheme opens them; above 0, at most 1."""

    def _about_claim(self, complaint: Complaint) -> str | None:
        if not 0 < self.share <= 1:
            raise InputError(f"share must be above 0 and at most 1, got {self.share}")
        scheme, claim = complaint.scheme, complaint.claim
        if not complaint.controls:
            return "there is no vote of control models that the claim could be shown to fail on"
        if scheme.opens_model():
            return self._in_networks(complaint)
        if not scheme.exact and "labels" not in claim.secrets:
            return None
        found = scheme.verify(claim, complaint.vote, level=complaint.level, seed=complaint.seed)
        if scheme.exact and found.p_value <= complaint.level:
            return f"the claim convicts the vote of independent models too (p = {found.p_value:.3g})"
        if not scheme.exact and found.statistic > self.share:
            return f"the vote of independent models gives {found.statistic:.0%} of the claimed labels too"
        return None

    def _in_networks(self, complaint: Complaint) -> str | None:
        """Networks have no vote that could be opened, so the claim is held against each, and convicts few of them."""
        voters = list(zip(complaint.controls, complaint.networks or (), strict=True))[:VOTERS]
        found = [
            complaint.scheme.verify(
                complaint.claim, oracle, level=complaint.level, seed=complaint.seed, model=network
            ).decision
            for oracle, network in voters
        ]
        convicted = found.count(Decision.OWNED)
        if convicted > self.share * len(found):
            return f"the claim convicts {convicted} of {len(found)} independent networks too"
        return None


@dataclass(frozen=True, kw_only=True)
class ComparableControls(Countermeasure):
    """Require control models that do the task as well as the suspect: a better one stands out without being a copy.

    Who claims ordinary inputs with their true labels, such that only good models get them right, convicts every model
    that is better than the controls. So all are asked held-out rows as they are, with noise, and images moved aside by
    a pixel. The suspect must not be better than the best control at any of these (exact sign test of the rows on which
    one of the two is right). Without held-out rows nobody can tell, and it does not object; nor does it where nobody
    chose the labels, or where no input has any.
    """

    level: float = 0.01
    """Chance at most of objecting to a suspect that is exactly as good as the best control; 0 to 1."""

    def _about_suspect(self, case: Case) -> str | None:
        complaint, held = case.complaint, case.complaint.held_out
        chosen = "labels" in complaint.claim.secrets and "beacon" not in complaint.claim.secrets
        if held is None or not complaint.controls or not chosen:
            return None
        kinds = versions(held.x, case.suspect.domain, seeds.rng(complaint.seed, JUDGE, "held-out rows"))
        for kind, rows in kinds.items():
            best, _ = complaint.once(("best control", kind), functools.partial(_best, complaint, rows, held.y))
            right = case.suspect.ask(rows).predicted == held.y
            gained, lost = int((right & ~best).sum()), int((best & ~right).sum())
            if gained and matches_p_value(gained, gained + lost, 0.5) <= self.level / len(kinds):
                return (
                    f"the suspect is right on {right.mean():.0%} of {len(right)} held-out rows {kind}, and the best of"
                    f" {len(complaint.controls)} control models on {best.mean():.0%}: so good an innocent model could"
                    " stand out as well; ask control models as good as it"
                )
        return None


@dataclass(frozen=True, kw_only=True)
class JudgeGenerates(Countermeasure):
    """Make the triggers in place of the accuser: a fingerprint anew from the opened model, a watermark derived only."""

    judges: ClassVar[bool] = True

    def _about_claim(self, complaint: Complaint) -> str | None:
        if not isinstance(complaint.scheme, Fingerprint):
            derived = "beacon" in complaint.claim.secrets
            return None if derived else "nobody but the accuser could choose the triggers of this watermark"
        if complaint.opened is None:
            return "the accuser did not open model and data to the judge"
        if model_digest(complaint.opened.model) != complaint.claim.model_digest:
            return "the model that the accuser opened is not the one of its claim"
        try:
            self._generated(complaint)
        except (InputError, InvalidData) as error:
            return f"the judge could make no such fingerprint of the opened model: {error}"
        return None

    def _about_suspect(self, case: Case) -> str | None:
        complaint = case.complaint
        if not isinstance(complaint.scheme, Fingerprint):
            return None
        claim, calibration = self._generated(complaint)
        verdict = complaint.scheme.verify(
            claim,
            case.suspect,
            level=complaint.level,
            seed=complaint.seed,
            model=case.model,
            calibration=calibration,
        )
        if verdict.decision is Decision.OWNED:
            return None
        return f"with a fingerprint of the judge's own making the verdict is {verdict.decision}: {verdict.reasons[0]}"

    @staticmethod
    def _generated(complaint: Complaint) -> tuple[Claim, Calibration]:
        def make() -> tuple[Claim, Calibration]:
            scheme, opened = complaint.scheme, complaint.opened
            assert isinstance(scheme, Fingerprint)
            assert opened is not None
            claim = scheme.enroll(opened.model, opened.data, seed=seeds.derive(complaint.seed, JUDGE, "enrolment"))
            return claim, complaint.calibrate(claim)

        return complaint.once("the judge's fingerprint", make)[0]


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


def _best(complaint: Complaint, rows: NDArray[np.float32], y: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows ``(n,)`` the control model gets right that gets most of them right."""
    return max((control.ask(rows).predicted == y for control in complaint.controls), key=np.sum)


def _calibration(complaint: Complaint) -> Calibration:
    return complaint.once("calibration", lambda: complaint.calibrate(complaint.claim))[0]


def _unlike(complaint: Complaint) -> str | None:
    """Whether control models, which know neither, find members easier or harder than the others."""
    if not complaint.controls:
        return "without control models nobody can tell whether members and others were dealt from one pile"
    secrets, vote = complaint.claim.secrets, complaint.vote
    labels, members = np.asarray(secrets["labels"]), np.asarray(secrets["members"], dtype=bool)
    if labels.dtype.kind not in "iu" or not 0 <= labels.min() <= labels.max() < vote.classes:
        return f"the claimed rows have labels that are none of the {vote.classes} classes"
    sure = vote.ask(secrets["inputs"]).distributions(vote.classes, vote.access)[np.arange(len(labels)), labels]
    sides = [welch_test(sure[one], sure[~one], level=complaint.level).p_value for one in (members, ~members)]
    p_value = min(1.0, 2 * min(sides))
    if p_value > complaint.level:
        return None
    return (
        f"models that know neither find the claimed members unlike the other inputs (p = {p_value:.3g}), so that they"
        " were not dealt from one pile"
    )
