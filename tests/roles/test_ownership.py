from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stealproof.claims import Claim, Decision, Verdict
from stealproof.errors import AccessDenied, EvidenceError, InputError, InvalidData, OracleUnavailable, QueryRefused
from stealproof.measures.binomial import critical_matches, matches_p_value, trials_needed
from stealproof.oracle import Access, Answer, Answers, Budget, Domain, Oracle
from stealproof.roles.ownership import Fingerprint, Ownership, Watermark, model_digest
from stealproof.roles.trial import Calibration, Enrolment, Examination, Trial

CLASSES = 4
RNG = np.random.default_rng(0)
INPUTS = RNG.random((60, 3)).astype(np.float32)
LABELS = RNG.integers(0, CLASSES, 60)


@dataclass(frozen=True, kw_only=True)
class Tally(Ownership):
    """Counts matching labels."""

    null = "the suspect was made without knowledge of the labels"
    caveat = "it accuses whoever knows the labels"
    published_threshold = 0.5

    @classmethod
    def name(cls) -> str:
        return "tally"

    def _examine(self, trial: Trial) -> Examination:
        labels = trial.secret("labels")
        matches = int((trial.ask(trial.secret("inputs")).predicted == labels).sum())
        n = len(labels)
        return Examination(
            statistic=matches,
            p_value=matches_p_value(matches, n, 1 / CLASSES),
            threshold=critical_matches(n, 1 / CLASSES, trial.level),
            attainable=(1 / CLASSES) ** n,
            needed=f"at least {trials_needed(1 / CLASSES, trial.level)} triggers",
        )


@dataclass(frozen=True, kw_only=True)
class Relative(Tally):
    """The same without a null distribution of its own."""

    exact = False

    def _examine(self, trial: Trial) -> Examination:
        return dataclasses.replace(super()._examine(trial), p_value=None, threshold=None, attainable=0.0)


class Table(Oracle):
    """Answers the known inputs from a table."""

    def __init__(self, labels: NDArray[Any], *, budget: Budget | None = None, answer: Answer = Answer.LABELS) -> None:
        super().__init__(domain=Domain(shape=(3,)), classes=CLASSES, access=Access(answer=answer), budget=budget)
        self.labels = labels

    def _answer(self, queries: NDArray[Any]) -> Answers:
        rows = [int(np.flatnonzero((query == INPUTS).all(axis=1))[0]) for query in queries]
        return Answers(labels=self.labels[rows])


class Failing(Table):
    def __init__(self, error: Exception) -> None:
        super().__init__(LABELS)
        self.error = error

    def _answer(self, queries: NDArray[Any]) -> Answers:
        raise self.error


class Tossing(Table):
    def _answer(self, queries: NDArray[Any]) -> Answers:
        return Answers(labels=RNG.integers(0, CLASSES, len(queries)))


def claim(**changes: Any) -> Claim:
    secrets: Mapping[str, Any] = {"inputs": INPUTS, "labels": LABELS} | changes
    return Claim(scheme="tally", secrets=secrets)


def other(seed: int) -> Table:
    return Table(np.random.default_rng(seed).integers(0, CLASSES, 60))


def test_a_copy_is_owned_and_the_verdict_says_why() -> None:
    verdict = Tally().verify(claim(), Table(LABELS))
    assert verdict.decision is Decision.OWNED
    assert verdict.p_value == pytest.approx(0.25**60)
    assert verdict.statistic == 60 >= verdict.threshold
    assert verdict.queries == 60 + 16
    assert verdict.null == Tally.null
    assert verdict.published_threshold == 0.5
    assert verdict.reasons[0] == "the p-value 7.52e-37 is at most the level 0.001"
    assert Tally.caveat in verdict.reasons


def test_independent_suspects_are_accused_as_rarely_as_stated() -> None:
    verdicts = [Tally().verify(claim(), other(seed), level=0.05) for seed in range(1, 301)]
    accused = sum(verdict.decision is Decision.OWNED for verdict in verdicts)
    assert matches_p_value(accused, 300, 0.05) > 0.01
    assert all(verdict.decision is not Decision.INCONCLUSIVE for verdict in verdicts)


def test_too_few_triggers_are_inconclusive_and_it_says_how_many_are_needed() -> None:
    verdict = Tally().verify(claim(inputs=INPUTS[:4], labels=LABELS[:4]), Table(LABELS))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "no suspect could reach the level 0.001 with this claim: it takes at least 5 triggers" in verdict.reasons


def test_a_constant_suspect_is_inconclusive() -> None:
    verdict = Tally().verify(claim(), Table(np.full(60, 2)))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "answers every input with class 2" in verdict.reasons[-1]


def test_a_suspect_that_contradicts_itself_is_inconclusive() -> None:
    verdict = Tally().verify(claim(), Tossing(LABELS))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "contradicts itself: of 16 inputs that were asked twice" in verdict.reasons[-1]


@pytest.mark.parametrize(
    "error", [OracleUnavailable("the server is down"), QueryRefused("too many queries; try again after 60 s")]
)
def test_a_suspect_that_stops_answering_is_inconclusive(error: Exception) -> None:
    verdict = Tally().verify(claim(), Failing(error))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.p_value == 1.0
    assert str(error) in verdict.reasons[0]


def test_a_budget_that_runs_out_is_inconclusive() -> None:
    verdict = Tally().verify(claim(), Table(LABELS, budget=Budget(limit=10)))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "60 queries asked, 10 left" in verdict.reasons[0]


def test_public_inputs_prove_nothing() -> None:
    verdict = Tally().verify(claim(), Table(LABELS), public=np.concatenate([INPUTS[:7], INPUTS[:1] / 2]))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.reasons[-1].startswith("7 of the claim's inputs are public")


def test_controls_give_the_p_value_where_the_scheme_has_none() -> None:
    scheme = Relative()
    calibration = scheme.calibrate(claim(), [other(seed) for seed in range(19)])
    owned = scheme.verify(claim(), Table(LABELS), level=0.05, calibration=calibration)
    assert (owned.decision, owned.p_value, owned.controls) == (Decision.OWNED, 0.05, calibration.statistics)
    assert owned.threshold == max(calibration.statistics)
    weak = scheme.verify(claim(), Table(LABELS), level=0.01, calibration=calibration)
    assert weak.decision is Decision.INCONCLUSIVE
    assert "at least 99 independent control models, got 19" in weak.reasons[-1]


def test_without_controls_such_a_scheme_is_inconclusive() -> None:
    verdict = Relative().verify(claim(), Table(LABELS))
    assert (verdict.decision, verdict.p_value) == (Decision.INCONCLUSIVE, 1.0)
    assert verdict.threshold == math.inf


def test_controls_that_are_accused_too_often_take_the_trust_away() -> None:
    good = Calibration(statistics=(15.0,) * 50, p_values=(0.5,) * 50, description="50 models")
    bad = Calibration(statistics=(60.0,) * 50, p_values=(1e-9,) * 50, description="50 models")
    verdict = Tally().verify(claim(), Table(LABELS), calibration=good)
    assert (verdict.decision, verdict.controls) == (Decision.OWNED, good.statistics)
    assert "the same test accuses 0 of 50 models" in verdict.reasons
    doubted = Tally().verify(claim(), Table(LABELS), calibration=bad)
    assert doubted.decision is Decision.INCONCLUSIVE
    assert "miscalibrated" in doubted.reasons[-1]


def refuse(scheme: Ownership, made: Claim, suspect: Oracle, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        scheme.verify(made, suspect)


def test_a_claim_that_does_not_fit_is_refused() -> None:
    suspect = Table(LABELS)
    refuse(Tally(), Claim(scheme="another"), suspect, EvidenceError, "expected a claim of tally, got one of another")
    refuse(Tally(), claim(inputs=INPUTS[:, :2]), suspect, InvalidData, r"shape \(2,\), but the suspect takes \(3,\)")
    refuse(Tally(), claim(inputs=INPUTS[:0]), suspect, InvalidData, "holds no inputs")
    refuse(Tally(), claim(inputs=INPUTS[[0, 0, 1]]), suspect, InvalidData, "1 of the claim's 3 inputs are repeated")
    refuse(Tally(), Claim(scheme="tally"), suspect, EvidenceError, "holds no 'labels'")
    with pytest.raises(InputError, match="level must lie between 0 and 1, got 1"):
        Tally().verify(claim(), suspect, level=1)


def test_a_suspect_that_says_too_little_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Scored(Tally):
        accepts = frozenset({Answer.PROBABILITIES})

    refuse(Scored(), claim(), Table(LABELS), AccessDenied, "tally needs probabilities from the suspect")


def test_a_scheme_that_opens_the_network_wants_one() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Opening(Tally):
        def opens_model(self) -> bool:
            return True

    refuse(Opening(), claim(), Table(LABELS), AccessDenied, "opens the suspect's network")
    verdict: Verdict = Opening().verify(claim(), Table(LABELS), model=torch.nn.Identity())
    assert verdict.decision is Decision.OWNED


@dataclass(frozen=True, kw_only=True)
class Marking(Watermark):
    null = "none"

    def _examine(self, trial: Trial) -> Examination:
        raise NotImplementedError


def test_a_watermark_that_has_marked_nothing_claims_nothing() -> None:
    scheme = Marking()
    with pytest.raises(InputError, match="has marked nothing yet"):
        scheme.claim()
    scheme.book["key"] = "00ff"
    model = torch.nn.Linear(2, 2)
    assert scheme.claim(model) == Claim(scheme=scheme.name(), model_digest=model_digest(model), secrets={"key": "00ff"})
    assert Marking().book == {}


def test_a_fingerprint_names_the_model(digits: Any) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Point(Fingerprint):
        null = "none"

        def _enroll(self, enrolment: Enrolment) -> Mapping[str, Any]:
            return {"row": int(enrolment.rng("row").integers(100))}

        def _examine(self, trial: Trial) -> Examination:
            raise NotImplementedError

    model = torch.nn.Linear(2, 2)
    one, again, other = (Point().enroll(model, digits, seed=seed) for seed in (0, 0, 1))
    assert one == again != other
    assert one.model_digest == model_digest(model)


def test_the_digest_follows_every_weight() -> None:
    model = torch.nn.Linear(2, 2)
    before = model_digest(model)
    with torch.no_grad():
        model.bias[1] += 1e-7
    assert len(before) == 64
    assert model_digest(model) != before
