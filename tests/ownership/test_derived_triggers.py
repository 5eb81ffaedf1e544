"""Derived triggers: a copy is known, nobody else can be framed, and the judge believes only what it derives itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from stealproof import seeds
from stealproof.claims import Claim, Decision
from stealproof.errors import AccessDenied, EvidenceError, InputError, InvalidData
from stealproof.evidence.derivation import Derivation
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Answers, Domain, Oracle
from stealproof.oracles.guarded import GuardedOracle
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership._derived_book import noise_book
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

RECIPE = Recipe(epochs=30, batch=64)
FAMILY = Mlp(width=64)
COMMITMENT, BEACON = "5a" * 32, "c3" * 32
FIXED = DerivedTriggers(sequential=False)


@pytest.fixture(scope="module")
def owned(digits: Dataset) -> tuple[Trained, Claim]:
    scheme = DerivedTriggers(repeats=100)
    trained = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=3)
    return trained, scheme.claim(trained.model)


def behind(model: torch.nn.Module, digits: Dataset) -> Oracle:
    return ModuleOracle(model, domain=digits.domain, classes=digits.classes)


class Scripted(Oracle):
    """Knows what to answer to each of its inputs."""

    def __init__(self, inputs: NDArray[Any], labels: NDArray[np.int64], domain: Domain) -> None:
        super().__init__(domain=domain, classes=10, access=Access(answer=Answer.LABELS))
        self._said = {row.tobytes(): label for row, label in zip(inputs, labels, strict=True)}

    def _answer(self, queries: NDArray[Any]) -> Answers:
        return Answers(labels=np.asarray([self._said[row.tobytes()] for row in queries]))


def test_the_victim_is_recognised_after_a_few_triggers_at_little_cost(
    owned: tuple[Trained, Claim], digits: Dataset, digits_victim: Trained
) -> None:
    trained, claim = owned
    verdict = DerivedTriggers().verify(claim, trained.oracle(), level=1e-9)
    assert verdict.decision is Decision.OWNED
    assert verdict.p_value <= 1e-9
    assert verdict.e_value is not None
    assert verdict.e_value >= 1e9
    assert verdict.queries <= 30
    assert verdict.statistic >= verdict.threshold
    assert "slipped into its training data" in verdict.reasons[-1]
    whole = FIXED.verify(claim, trained.oracle(), level=1e-9)
    assert whole.statistic >= 0.95
    assert whole.p_value < 1e-80
    assert whole.queries == 116
    assert trained.accuracy(digits.test).value > digits_victim.accuracy(digits.test).value - 0.03


def test_a_copy_that_was_tuned_on_other_data_is_still_recognised(owned: tuple[Trained, Claim], digits: Dataset) -> None:
    trained, claim = owned
    for rate in (0.01, 0.1):
        tuned = Recipe(epochs=10, batch=64, learning_rate=rate)
        copy = fit(FAMILY, digits.pool, classes=10, recipe=tuned, seed=9, start=trained.model)
        for scheme in (DerivedTriggers(), FIXED):
            assert scheme.verify(claim, behind(copy, digits), level=1e-9).decision is Decision.OWNED


def test_independent_models_are_not_accused(
    owned: tuple[Trained, Claim], digits: Dataset, digits_victim: Trained
) -> None:
    _, claim = owned
    other = fit(FAMILY, digits.pool, classes=10, recipe=RECIPE, seed=21)
    for oracle in (digits_victim.oracle(), behind(other, digits)):
        for scheme in (DerivedTriggers(), FIXED):
            verdict = scheme.verify(claim, oracle, level=1e-3)
            assert verdict.decision is not Decision.OWNED
            assert verdict.p_value > 1e-3
            assert verdict.statistic < verdict.threshold


def test_over_beacons_one_fixed_model_matches_as_the_binomial_says() -> None:
    """The arithmetic behind "nobody can be framed": the model may be anything, here one that loves a few classes."""
    n, beacons, domain = 100, 400, Domain(shape=(1, 8, 8))
    weights = np.random.default_rng(0).normal(size=(64, 10))
    matches, answered = [], np.zeros(10, dtype=int)
    for number in range(beacons):
        beacon = number.to_bytes(16, "big").hex()
        book = noise_book({"commitment": COMMITMENT, "beacon": beacon}, n, domain, 10)
        said = (book["inputs"].reshape(n, 64) @ weights).argmax(axis=1)
        answered += np.bincount(said, minlength=10)
        matches.append(int((said == book["labels"]).sum()))
    assert answered.max() > 0.4 * n * beacons
    assert abs(np.mean(matches) - 10) < 3.5 * np.sqrt(9 / beacons)
    assert abs(np.var(matches, ddof=1) - 9) < 3.5 * 9 * np.sqrt(2 / beacons)
    for tail in (14, 17):
        count = int((np.asarray(matches) >= tail).sum())
        assert stats.binomtest(count, beacons, stats.binom.sf(tail - 1, n, 0.1)).pvalue > 1e-3


def test_it_composes_with_another_protection_and_with_soft_targets(digits: Dataset) -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Doubled(TrainingDefense):
        """Repeats each batch as distributions."""

        def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
            y = batch.y if batch.y.ndim == 2 else torch.nn.functional.one_hot(batch.y, run.classes).to(batch.x.dtype)
            return Part(x=torch.cat([batch.x, batch.x]), y=torch.cat([y, y]))

    claims = []
    for order in (0, 1):
        scheme = DerivedTriggers(repeats=100)
        both = [scheme, Doubled()] if order == 0 else [Doubled(), scheme]
        trained = train(FAMILY, digits, recipe=RECIPE, protections=both, seed=4)
        assert scheme.verify(scheme.claim(), trained.oracle(), level=1e-9).decision is Decision.OWNED
        claims.append(scheme.claim())
    np.testing.assert_array_equal(claims[0].secrets["inputs"], claims[1].secrets["inputs"])


def test_a_trigger_set_that_outnumbers_the_data_is_refused(digits: Dataset) -> None:
    run = TrainingRun(domain=digits.domain, classes=10, generator=seeds.generator(0, "run"))
    with pytest.raises(InputError, match="100 triggers, more than the 99 rows to train on"):
        DerivedTriggers(triggers=100).prepare(digits.train.take(slice(99)), run)


def test_natural_triggers_are_rows_that_leave_the_training_data(digits: Dataset) -> None:
    scheme = DerivedTriggers(kind="natural", triggers=30, commitment=COMMITMENT, beacon=BEACON, repeats=300)
    run = TrainingRun(domain=digits.domain, classes=10, generator=seeds.generator(0, "run"))
    left = scheme.prepare(digits.train, run)
    inputs = scheme.claim().secrets["inputs"]
    assert len(left) <= len(digits.train) - 30
    kept = {row.tobytes() for row in left.x.numpy()}
    every = {row.tobytes() for row in digits.train.x.numpy()}
    assert all(row.tobytes() in every and row.tobytes() not in kept for row in inputs)
    trained = train(FAMILY, digits, recipe=RECIPE, protections=[scheme], seed=5)
    claim = scheme.claim()
    assert scheme.verify(claim, trained.oracle(), level=1e-6).decision is Decision.OWNED
    chosen = {**claim.secrets, "inputs": np.concatenate([inputs[1:], left.x[:1].numpy()])}
    with pytest.raises(EvidenceError, match="inputs are not those that follow"):
        scheme.verify(dataclasses.replace(claim, secrets=chosen), trained.oracle())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("inputs", lambda old: old + np.float32(1e-6), "inputs are not those that follow"),
        ("labels", lambda old: (old + 1) % 10, "labels are not those that follow"),
        ("beacon", lambda old: "ff" * 32, "inputs are not those that follow"),
        ("commitment", lambda old: old[:-2] + "00", "inputs are not those that follow"),
        ("terms", lambda old: old.replace('"high":1', '"high":0.5'), "inputs are not those that follow"),
        ("terms", lambda old: "{}", "terms can't be read"),
        ("terms", lambda old: old[:-1], "terms can't be read"),
        ("beacon", lambda old: "no hex", "must be hexadecimal"),
    ],
)
def test_the_judge_believes_nothing_that_it_can_derive(
    owned: tuple[Trained, Claim], name: str, value: Any, message: str
) -> None:
    trained, claim = owned
    forged = dataclasses.replace(claim, secrets={**claim.secrets, name: value(claim.secrets[name])})
    with pytest.raises(EvidenceError, match=message):
        DerivedTriggers().verify(forged, trained.oracle())


def test_everything_follows_from_commitment_beacon_and_terms(owned: tuple[Trained, Claim]) -> None:
    _, claim = owned
    secrets = claim.secrets
    derivation = Derivation(
        commitment=bytes.fromhex(secrets["commitment"]),
        beacon=bytes.fromhex(secrets["beacon"]),
        terms=secrets["terms"].encode(),
    )
    np.testing.assert_array_equal(derivation.noise(100, Domain(shape=(1, 8, 8))), secrets["inputs"])
    np.testing.assert_array_equal(derivation.labels(100, 10), secrets["labels"])
    assert all(isinstance(value, str | np.ndarray) for value in secrets.values())


def test_not_one_trigger_is_asked_after_the_decision(owned: tuple[Trained, Claim], digits: Dataset) -> None:
    _, claim = owned
    inputs, labels = claim.secrets["inputs"], claim.secrets["labels"]
    late = np.where(np.arange(100) < 3, (labels + 1) % 10, labels)
    for said, level, asked, repeated in ((labels, 1e-9, 10, 10), (labels, 1e-3, 4, 4), (late, 1e-3, 9, 4)):
        verdict = DerivedTriggers().verify(claim, Scripted(inputs, said, digits.domain), level=level)
        assert verdict.decision is Decision.OWNED
        assert verdict.queries == asked + repeated
        assert verdict.statistic == (said[:asked] == labels[:asked]).mean()


def test_too_few_triggers_say_how_many_it_takes(digits: Dataset) -> None:
    scheme = DerivedTriggers(triggers=5, repeats=100)
    trained = train(FAMILY, digits, recipe=Recipe(epochs=10, batch=64), protections=[scheme], seed=0)
    for sequential, least in ((True, 10), (False, 9)):
        judge = dataclasses.replace(scheme, sequential=sequential)
        verdict = judge.verify(scheme.claim(), trained.oracle(), level=2e-9)
        assert verdict.decision is Decision.INCONCLUSIVE
        assert f"it takes at least {least} triggers, got 5" in verdict.reasons[-1]


def test_a_thief_at_the_api_learns_the_marks(digits: Dataset, digits_victim: Trained) -> None:
    guard = DerivedTriggers(rate=0.2, commitment=COMMITMENT, beacon=BEACON)
    for access in (Access(), Access(answer=Answer.LOGITS)):
        served = GuardedOracle(digits_victim.oracle(access), [guard])
        answers = served.ask(digits.pool.x, batch=50)
        said = answers.predicted
        np.testing.assert_array_equal(said, np.nanargmax(answers.scores, axis=1))  # type: ignore[arg-type]
    honest = digits_victim.oracle().ask(digits.pool.x).predicted
    claim = guard.claim(digits_victim.model)
    recorded = len(claim.secrets["inputs"])
    # Asked twice, recorded once; a tenth of the marks says what the victim says.
    assert recorded == len(np.unique(claim.secrets["inputs"].reshape(recorded, -1), axis=0))
    assert abs(recorded / len(said) - 0.2) < 0.06
    assert 0.75 < (said != honest).sum() / recorded < 1
    stolen = Part(x=digits.pool.x, y=torch.from_numpy(said))
    copy = fit(FAMILY, stolen, classes=10, recipe=Recipe(epochs=150, batch=64), seed=31)
    assert guard.verify(claim, behind(copy, digits), level=1e-6).decision is Decision.OWNED
    verdict = guard.verify(claim, digits_victim.oracle(), level=1e-3)
    assert verdict.decision is Decision.NOT_OWNED
    wrong = {**claim.secrets, "inputs": digits.test.x[:recorded].numpy()}
    with pytest.raises(EvidenceError, match="inputs are not those"):
        guard.verify(dataclasses.replace(claim, secrets=wrong), digits_victim.oracle())


def test_without_classes_a_guard_that_sees_labels_only_is_refused() -> None:
    labels = Access(answer=Answer.LABELS)
    with pytest.raises(AccessDenied, match="how many classes there are; set classes"):
        DerivedTriggers().narrows(labels)
    assert DerivedTriggers(classes=10).narrows(labels) == labels


def test_one_instance_marks_either_a_training_run_or_an_api(digits: Dataset, digits_victim: Trained) -> None:
    scheme = DerivedTriggers()
    train(FAMILY, digits, recipe=Recipe(epochs=1, batch=64), protections=[scheme], seed=0)
    with pytest.raises(InputError, match="give the API an instance of its own"):
        GuardedOracle(digits_victim.oracle(), [scheme]).query(digits.pool.x[:4])
    unmarked = DerivedTriggers(rate=0.0)
    GuardedOracle(digits_victim.oracle(), [unmarked]).query(digits.pool.x[:4])
    with pytest.raises(InvalidData, match="holds no inputs"):
        unmarked.verify(unmarked.claim(), digits_victim.oracle())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"triggers": 0}, "at least 1 trigger, got 0"),
        ({"per_batch": 1.0}, "per_batch must lie between 0 and 1"),
        ({"rate": 1.5}, "the rate of marked queries must lie between 0 and 1, got 1.5"),
        ({"repeats": -1}, "repeats must be at least 0, got -1"),
        ({"commitment": "xyz"}, "the commitment must be hexadecimal, got 'xyz'"),
        ({"beacon": "ab"}, "the beacon must have at least 16 bytes, got 1"),
        ({"kind": "natural", "triggers": 5000}, "the pool has .* different rows, too few for 5000 triggers"),
    ],
)
def test_parameters_that_mark_nothing_are_refused(parameters: Any, message: str, digits: Dataset) -> None:
    with pytest.raises(InputError, match=message):
        train(FAMILY, digits, recipe=Recipe(epochs=1), protections=[DerivedTriggers(**parameters)])
