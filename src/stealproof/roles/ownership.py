"""Ownership: schemes that prove whose model it is. Watermarks change the model or its answers, fingerprints don't."""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from stealproof.claims import Claim, Decision, Verdict
from stealproof.errors import AccessDenied, BudgetExceeded, EvidenceError, InputError, InvalidData, OracleUnavailable
from stealproof.errors import QueryRefused as Refused
from stealproof.measures.binomial import matches_p_value
from stealproof.measures.conformal import conformal_p_value, conformal_threshold, controls_needed
from stealproof.oracle import Answer, Oracle, as_array
from stealproof.roles._watched_suspect import WatchedSuspect
from stealproof.roles.trial import Calibration, Enrolment, Examination, Trial
from stealproof.system import System

if TYPE_CHECKING:
    import torch

    from stealproof.roles.dataset import Dataset

CLASSIFIERS = frozenset({Answer.LABELS, Answer.TOP_K, Answer.PROBABILITIES, Answer.LOGITS})
CRAFTED = (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError)
"""What secrets of the wrong shapes or sizes raise."""
SURPRISING = 0.01
"""A scheme is called miscalibrated when its controls reject more often than chance would this rarely allow."""


@dataclass(frozen=True, kw_only=True)
class Ownership(System):
    """Base of every ownership scheme. A subclass writes ``_examine``; checks, controls and decision are made here."""

    null: ClassVar[str]
    """The null hypothesis in words, for instance "the suspect was made without knowledge of the trigger labels"."""
    accepts: ClassVar[frozenset[Answer]] = CLASSIFIERS
    """Kinds of answers that a suspect may give."""
    exact: ClassVar[bool] = True
    """Whether ``_examine`` knows its null distribution; otherwise the p-value comes from control models."""
    caveat: ClassVar[str] = ""
    """Whom the scheme is known to accuse wrongly, one sentence; it stands in every verdict that says owned."""
    published_threshold: ClassVar[float | None] = None
    """The paper's fixed threshold of the statistic, where it has one."""

    def opens_model(self) -> bool:
        """Whether verification looks inside the suspect's network."""
        return False

    @final
    def verify(
        self,
        claim: Claim,
        suspect: Oracle,
        *,
        level: float = 1e-3,
        seed: int = 0,
        model: torch.nn.Module | None = None,
        calibration: Calibration | None = None,
        public: Any = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> Verdict:
        """Test ``claim`` against ``suspect`` at the false-accusation rate ``level``.

        Args:
            claim: the accuser's, of this scheme.
            suspect: the model in question, behind whatever interface.
            level: largest acceptable chance of accusing an independent model, 0 to 1.
            seed: every choice of the judge follows from it.
            model: the suspect's network, for a scheme that opens it.
            calibration: what ``calibrate`` found on independent models; schemes that are not ``exact`` need it.
            public: inputs ``(m, *shape)`` that anybody could have trained on. Claimed inputs among them prove nothing.
            progress: called with what is being done and the finished share.

        Raises:
            EvidenceError: the claim is of another scheme, or misses what it needs.
            InvalidData: the claim does not fit the suspect, is empty, or repeats itself.
            AccessDenied: the suspect answers less than the scheme needs, or its network is needed and not given.
        """
        if not 0 < level < 1:
            raise InputError(f"the level must lie between 0 and 1, got {level}")
        self._check(claim, suspect, model)
        watched = WatchedSuspect(suspect)
        trial = Trial(
            claim=claim,
            suspect=watched,
            model=model,
            level=level,
            seed=seed,
            progress=progress or (lambda what, share: None),
        )
        try:
            found = self._examined(trial, watched)
            watched.ask_again()
        except (OracleUnavailable, Refused, BudgetExceeded) as error:
            reason = f"the suspect stopped answering after {watched.budget.spent} queries: {error}"
            return self._inconclusive(level, watched.budget.spent, reason)
        return self._decide(found, watched, level=level, calibration=calibration, leaked=_leaked(claim, public))

    @final
    def calibrate(
        self,
        claim: Claim,
        controls: Sequence[Oracle],
        *,
        seed: int = 0,
        level: float = 1e-3,
        models: Sequence[torch.nn.Module] | None = None,
        description: str = "",
        progress: Callable[[str, float], None] | None = None,
    ) -> Calibration:
        """Examine independent models in the same way; ``models`` are their networks, for a scheme that opens them."""
        tell = progress or (lambda what, share: None)
        found = []
        for number, control in enumerate(controls):
            tell("examining control models", number / len(controls))
            model = None if models is None else models[number]
            self._check(claim, control, model)
            watched = WatchedSuspect(control)
            trial = Trial(
                claim=claim,
                suspect=watched,
                model=model,
                level=level,
                seed=seed,
                progress=lambda what, share: None,
            )
            found.append(self._examined(trial, watched))
        return Calibration(
            statistics=tuple(f.statistic for f in found),
            p_values=tuple(f.p_value for f in found),
            description=description or f"{len(found)} independent models",
        )

    @abstractmethod
    def _examine(self, trial: Trial) -> Examination:
        """Ask ``trial.suspect`` (or open ``trial.model``) and return the statistic with its p-value."""

    def _examined(self, trial: Trial, watched: WatchedSuspect) -> Examination:
        """The examination; secrets that don't belong together are the accuser's fault, not the program's."""
        try:
            return self._examine(trial)
        except CRAFTED as error:
            if watched.failed is error:
                raise
            raise EvidenceError(
                f"the claim of {self.name()} can't be examined ({type(error).__name__}: {error}); expected secrets and"
                " parameters as the scheme writes them"
            ) from error

    def _check(self, claim: Claim, suspect: Oracle, model: torch.nn.Module | None) -> None:
        if claim.scheme != self.name():
            raise EvidenceError(f"expected a claim of {self.name()}, got one of {claim.scheme}")
        if suspect.access.answer not in self.accepts:
            wanted = " or ".join(sorted(self.accepts))
            raise AccessDenied(f"{self.name()} needs {wanted} from the suspect, which gives {suspect.access}")
        if self.opens_model() and model is None:
            raise AccessDenied(
                f"{self.name()} opens the suspect's network, but only its answers are given;"
                " name a model file, or choose a scheme that works through the API"
            )
        inputs = claim.secrets.get("inputs")
        if inputs is None:
            return
        if len(inputs) == 0:
            raise InvalidData("the claim holds no inputs; expected at least 1 to ask the suspect")
        if tuple(inputs.shape[1:]) != suspect.domain.shape:
            raise InvalidData(
                f"the claim's inputs have shape {tuple(inputs.shape[1:])}, but the suspect takes"
                f" {suspect.domain.shape}; name the model that the claim is about"
            )
        repeated = len(inputs) - len(set(_digests(inputs)))
        if repeated:
            raise InvalidData(
                f"{repeated} of the claim's {len(inputs)} inputs are repeated; counting one answer twice proves nothing"
            )

    def _inconclusive(self, level: float, queries: int, *reasons: str) -> Verdict:
        return Verdict(
            scheme=self.name(),
            decision=Decision.INCONCLUSIVE,
            null=self.null,
            statistic=0.0,
            threshold=math.inf,
            p_value=1.0,
            level=level,
            queries=queries,
            published_threshold=self.published_threshold,
            reasons=reasons,
        )

    def _decide(
        self, found: Examination, watched: WatchedSuspect, *, level: float, calibration: Calibration | None, leaked: int
    ) -> Verdict:
        controls = () if calibration is None else calibration.statistics
        reasons, doubts = list(found.reasons), list[str]()
        p_value, threshold, attainable = found.p_value, found.threshold, found.attainable
        if math.isnan(found.statistic) or (p_value is not None and math.isnan(p_value)):
            raise EvidenceError(f"the claim of {self.name()} gives a statistic that is no number, which proves nothing")
        needed = found.needed
        if p_value is None:
            attainable = 1 / (1 + len(controls))
            needed = f"at least {controls_needed(level)} independent control models, got {len(controls)}"
            p_value = conformal_p_value(found.statistic, controls) if controls else 1.0
            threshold = conformal_threshold(controls, level) if controls else math.inf
        elif calibration is not None:
            words, trusted = _held_against(calibration, level)
            (reasons if trusted else doubts).append(words)
        rejected = p_value <= level
        if attainable > level:
            doubts.append(f"no suspect could reach the level {level:g} with this claim: it takes {needed}")
        if leaked:
            doubts.append(f"{leaked} of the claim's inputs are public, so that the suspect may have learned them there")
        if watched.constant is not None:
            doubts.append(f"the suspect answers every input with class {watched.constant}, which says nothing")
        if watched.contradictions:
            words = (
                f"the suspect contradicts itself: of {watched.asked_again} inputs that were asked twice,"
                f" {watched.contradictions} got another label"
            )
            # Under the null, chance answers match no more often than others, so that a rejection stands.
            (reasons if rejected else doubts).append(words)
        decision = Decision.OWNED if rejected else Decision.NOT_OWNED
        if doubts:
            decision = Decision.INCONCLUSIVE
        verb = "at most" if rejected else "above"
        reasons.insert(0, f"the p-value {p_value:.3g} is {verb} the level {level:g}")
        if decision is Decision.OWNED and self.caveat:
            reasons.append(self.caveat)
        return Verdict(
            scheme=self.name(),
            decision=decision,
            null=self.null,
            statistic=found.statistic,
            threshold=math.inf if threshold is None else threshold,
            p_value=p_value,
            level=level,
            e_value=found.e_value,
            effect=found.effect,
            queries=watched.budget.spent,
            controls=controls,
            published_threshold=self.published_threshold,
            reasons=(*reasons, *doubts),
        )


@dataclass(frozen=True, kw_only=True)
class Watermark(Ownership):
    """A scheme that marks; it is also a ``TrainingDefense`` and/or a ``Guard``.

    While it marks, it writes what a claim will need into its ``book``, which ``claim`` reads: one instance, one model.
    """

    book: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Secrets by name, as in ``Claim.secrets``."""

    def use_key(self, key: str) -> None:
        """Mark answers with this secret, in hexadecimal, in place of a fresh one of the system; before the first query.

        For studies, which repeat by seed. A scheme that marks in training draws its secrets from the run's generator.
        """
        raise InputError(f"{self.name()} has no key of its own; it marks in training")

    def claim(self, model: torch.nn.Module | None = None) -> Claim:
        """The claim to what has been marked so far.

        Raises:
            InputError: nothing has been marked yet.
        """
        if not self.book:
            raise InputError(f"{self.name()} has marked nothing yet; train or serve a model with it first")
        return Claim(
            scheme=self.name(),
            parameters=self.parameters(),
            model_digest="" if model is None else model_digest(model),
            secrets=dict(self.book),
        )


@dataclass(frozen=True, kw_only=True)
class Fingerprint(Ownership):
    """A scheme that leaves the model as it is. A subclass writes ``_enroll``."""

    @final
    def enroll(
        self,
        model: torch.nn.Module,
        data: Dataset,
        *,
        seed: int = 0,
        progress: Callable[[str, float], None] | None = None,
    ) -> Claim:
        """Characterise ``model``, which is not changed, with the owner's ``data``."""
        enrolment = Enrolment(model=model, data=data, seed=seed, progress=progress or (lambda what, share: None))
        return Claim(
            scheme=self.name(),
            parameters=self.parameters(),
            model_digest=model_digest(model),
            secrets=self._enroll(enrolment),
        )

    @abstractmethod
    def _enroll(self, enrolment: Enrolment) -> Mapping[str, Any]:
        """The secrets of the claim to ``enrolment.model``."""


def _held_against(calibration: Calibration, level: float) -> tuple[str, bool]:
    """What control models say of a scheme that claims to know its null distribution, and whether to trust it."""
    accused = sum(p is not None and p <= level for p in calibration.p_values)
    total = len(calibration.p_values)
    words = f"the same test accuses {accused} of {calibration.description}"
    if total and matches_p_value(accused, total, level) <= SURPRISING:
        return f"{words}: it is miscalibrated here, and its p-value can't be trusted", False
    return words, True


def model_digest(model: torch.nn.Module) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of a network's state, in hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.flatten().view(dtype=_bytes_dtype()).numpy().tobytes())
    return digest.hexdigest()


def _bytes_dtype() -> Any:
    import torch

    return torch.uint8


def _digests(inputs: Any) -> list[bytes]:
    rows = np.ascontiguousarray(as_array(inputs), dtype=np.float32)
    return [hashlib.sha256(row.tobytes()).digest() for row in rows]


def _leaked(claim: Claim, public: Any) -> int:
    """How many of the claim's inputs stand in public data, bit by bit in float32."""
    inputs = claim.secrets.get("inputs")
    if public is None or inputs is None:
        return 0
    known = set(_digests(public))
    return sum(digest in known for digest in _digests(inputs))
