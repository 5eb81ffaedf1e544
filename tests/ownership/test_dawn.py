"""DAWN: few and repeatable lies, a ledger that a surrogate confirms and independent models don't, and its limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stealproof.attacks.extraction.knockoff_nets import KnockoffNets
from stealproof.claims import Claim, Decision
from stealproof.errors import AccessDenied, InputError, InvalidData
from stealproof.measures.kappa import kappa
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Answers, Domain, as_array
from stealproof.oracles.guarded import GuardedOracle
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.dawn import Dawn
from stealproof.roles.dataset import Dataset
from stealproof.seeds import generator
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained

LONG = Recipe(epochs=100, batch=32)
SHORT = Recipe(epochs=15, batch=64)


def keyed(number: int = 0, **parameters: Any) -> Dawn:
    scheme: Dawn = Dawn.make(parameters)
    scheme.use_key(f"{number:02x}" * 16)
    return scheme


def oracle(model: torch.nn.Module, digits: Dataset, answer: Answer = Answer.LABELS) -> ModuleOracle:
    return ModuleOracle(model, domain=digits.domain, classes=digits.classes, access=Access(answer=answer))


def test_half_a_per_cent_of_the_answers_is_wrong() -> None:
    queries = np.random.default_rng(0).random((40_000, 4))
    labels = np.arange(40_000) % 7
    given = keyed(classes=7).answer("a", queries, Answers(labels=labels)).predicted
    changed = given != labels
    # Four standard deviations of the binomial around the paper's rate.
    assert changed.mean() == pytest.approx(0.005, abs=4 * np.sqrt(0.005 / 40_000))
    assert set(np.unique((given - labels)[changed] % 7)) == {1, 2, 3, 4, 5, 6}


def test_wrong_classes_are_drawn_evenly() -> None:
    queries = np.random.default_rng(1).random((12_000, 3))
    given = keyed(rate=1.0, classes=5).answer("a", queries, Answers(labels=np.full(12_000, 2))).predicted
    counts = np.bincount(given, minlength=5)
    assert counts[2] == 0
    assert np.abs(counts[[0, 1, 3, 4]] - 3000).max() < 200


@pytest.mark.parametrize("answer", [Answer.PROBABILITIES, Answer.LOGITS])
def test_scores_change_places_and_nothing_else(digits: Dataset, digits_victim: Trained, answer: Answer) -> None:
    victim = digits_victim.oracle(Access(answer=answer))
    before = victim.query(digits.pool.x)
    after = GuardedOracle(victim, [keyed(rate=0.3)]).query(digits.pool.x)
    assert before.scores is not None
    assert after.scores is not None
    changed = before.predicted != after.predicted
    assert 0.2 < changed.mean() < 0.4
    np.testing.assert_array_equal(after.scores.argmax(axis=1), after.predicted)
    np.testing.assert_array_equal(np.sort(before.scores), np.sort(after.scores))
    np.testing.assert_array_equal(before.scores[~changed], after.scores[~changed])


def test_repeats_colluders_and_precisions_see_the_same(digits: Dataset, digits_victim: Trained) -> None:
    scheme = keyed(rate=0.1)
    x = as_array(digits.pool.x)
    one = GuardedOracle(digits_victim.oracle(), [scheme], client="one")
    other = GuardedOracle(digits_victim.oracle(), [scheme], client="other")
    first = one.ask(x, batch=449).predicted
    np.testing.assert_array_equal(first, one.ask(x, batch=10).predicted)
    np.testing.assert_array_equal(first, other.ask(x[::-1].astype(np.float64)).predicted[::-1])
    claims = [scheme.claim(), scheme.claim_against("one"), scheme.claim_against("other")]
    for name in ("inputs", "labels"):
        for claim in claims:
            np.testing.assert_array_equal(claim.secrets[name], claims[0].secrets[name])
    assert len(claims[0].secrets["labels"]) == (first != digits_victim.oracle().ask(x).predicted).sum()


def test_another_key_lies_elsewhere_and_a_fresh_one_is_secret(digits: Dataset, digits_victim: Trained) -> None:
    x = digits.pool.x
    schemes = [keyed(1, rate=0.2), keyed(2, rate=0.2), Dawn(rate=0.2), Dawn(rate=0.2)]
    answers = [GuardedOracle(digits_victim.oracle(), [scheme]).ask(x).predicted for scheme in schemes]
    assert len({given.tobytes() for given in answers}) == 4
    for scheme in schemes:
        assert scheme.book["key"] not in repr(scheme) + repr(scheme.describe()) + repr(scheme.claim())


def test_an_honest_client_loses_no_more_than_the_rate(digits: Dataset, digits_victim: Trained) -> None:
    labels = as_array(digits.test.y)
    honest = (digits_victim.oracle().ask(digits.test.x).predicted == labels).mean()
    scheme = keyed()
    served = (GuardedOracle(digits_victim.oracle(), [scheme]).ask(digits.test.x).predicted == labels).mean()
    assert served <= honest
    assert honest - served <= 0.02


@pytest.mark.parametrize("answer", [Answer.LABELS, Answer.PROBABILITIES])
def test_a_surrogate_is_recognised(digits: Dataset, digits_victim: Trained, answer: Answer) -> None:
    scheme = keyed(rate=0.15, classes=10)
    api = GuardedOracle(digits_victim.oracle(Access(answer=answer)), [scheme], client="thief")
    stolen = KnockoffNets().steal(api, digits.pool.x, budget=449, seed=1, architecture=Mlp(width=256), recipe=LONG)
    verdict = scheme.verify(scheme.claim_against("thief"), oracle(stolen.model, digits))
    assert verdict.decision is Decision.OWNED
    assert verdict.p_value < 1e-9
    assert verdict.statistic > 0.5
    victim = scheme.verify(scheme.claim(), digits_victim.oracle())
    assert victim.decision is Decision.NOT_OWNED
    assert victim.statistic == 0


def test_independent_models_are_not(digits: Dataset, digits_victim: Trained) -> None:
    scheme = keyed(rate=0.15)
    GuardedOracle(digits_victim.oracle(), [scheme]).ask(digits.pool.x)
    claim = scheme.claim()
    models = fit_many(Mlp(width=32), digits.train, classes=10, seeds=range(20), recipe=SHORT)
    verdicts = [scheme.verify(claim, oracle(model, digits), level=0.01) for model in models]
    assert all(verdict.decision is Decision.NOT_OWNED for verdict in verdicts)


def test_chance_matches_are_binomial_over_keys() -> None:
    """The suspect that matches most often, always wrong, rejects at the level and no more, over keys."""
    domain, queries = Domain(shape=(2,)), np.random.default_rng(0).random((40, 2))
    constant = torch.nn.Linear(2, 4)
    with torch.no_grad():
        constant.weight.zero_()
        constant.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
    suspect = ModuleOracle(constant, domain=domain, classes=4)
    p_values = []
    for number in range(200):
        scheme = keyed(number, rate=1.0, classes=4)
        scheme.answer("a", queries, Answers(labels=np.zeros(40, dtype=np.int64)))
        p_values.append(scheme.verify(scheme.claim(), suspect).p_value)
    assert 0 < np.mean(np.array(p_values) <= 0.05) <= 0.09


def test_two_classes_can_never_be_decided() -> None:
    """Known failure: with two classes every mistake of an independent model is a match."""
    scheme = keyed(rate=1.0, classes=2)
    queries = np.random.default_rng(0).random((100, 2))
    model = Mlp(width=4).build((2,), 2, generator(0, "weights"))
    suspect = ModuleOracle(model, domain=Domain(shape=(2,)), classes=2)
    scheme.answer("a", queries, Answers(labels=1 - suspect.query(queries).predicted))
    verdict = scheme.verify(scheme.claim(), suspect)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.statistic == 1
    assert verdict.p_value == 1
    assert any("more than 2 classes" in reason for reason in verdict.reasons)


def test_too_few_recorded_answers_are_said_to_be_too_few(digits: Dataset, digits_victim: Trained) -> None:
    scheme = keyed(rate=1.0)
    GuardedOracle(digits_victim.oracle(), [scheme]).ask(digits.pool.x[:3])
    verdict = scheme.verify(scheme.claim(), digits_victim.oracle(), level=1e-3)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert any("at least 4 recorded answers" in reason for reason in verdict.reasons)


def test_the_latent_mapping_is_stable_beyond_chance(digits: Dataset, digits_victim: Trained) -> None:
    x = as_array(digits.test.x)
    noisy = digits.domain.clip(x + np.random.default_rng(0).normal(0, 0.01, x.shape)).astype(np.float32)
    found = {}
    for mapping in ("pixels", "latent"):
        lies = []
        for number in range(5):
            scheme = keyed(number, rate=0.2, mapping=mapping)
            scheme.look_through(digits_victim.model, digits.train)
            zeros = Answers(scores=np.tile(np.eye(10)[0], (len(x), 1)))
            lies.append([scheme.answer("a", queries, zeros).predicted for queries in (x, noisy)])
        found[mapping] = np.mean([kappa(one, other) for one, other in lies])
        if mapping == "latent":
            assert len(scheme.claim().secrets["labels"]) <= (lies[-1][0] != 0).sum()
    assert abs(found["pixels"]) < 0.05
    assert found["latent"] > 0.5


def test_top_k_keeps_how_much_is_shown() -> None:
    scores = np.tile([0.6, np.nan, 0.3, np.nan], (200, 1))
    queries = np.random.default_rng(0).random((200, 2))
    given = keyed(rate=1.0).answer("a", queries, Answers(labels=np.zeros(200, dtype=np.int64), scores=scores))
    assert given.scores is not None
    assert ((~np.isnan(given.scores)).sum(axis=1) == 2).all()
    np.testing.assert_array_equal(np.nanargmax(given.scores, axis=1), given.predicted)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"rate": 0.0}, "rate must be above 0 and at most 1, got 0"),
        ({"classes": 1}, "classes must be at least 2"),
        ({"mapping": "latent"}, "call look_through"),
    ],
)
def test_refuses_senseless_parameters(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        keyed(**parameters).narrows(Access())


def test_refuses_what_it_cannot_work_on(digits: Dataset, digits_victim: Trained) -> None:
    with pytest.raises(AccessDenied, match="set the parameter classes of dawn"):
        Dawn().narrows(Access(answer=Answer.LABELS))
    with pytest.raises(AccessDenied, match="answers for a classifier"):
        Dawn().narrows(Access(answer=Answer.TEXT))
    with pytest.raises(InputError, match="answered nothing wrongly"):
        keyed().claim()
    with pytest.raises(InputError, match="32 hexadecimal digits"):
        Dawn().use_key("secret")
    used = keyed(rate=1.0)
    GuardedOracle(digits_victim.oracle(), [used]).ask(digits.pool.x[:5])
    with pytest.raises(InputError, match="can't change after the first query"):
        used.use_key("00" * 16)
    with pytest.raises(InputError, match=r"classes of its parameter \(7\)"):
        GuardedOracle(digits_victim.oracle(), [keyed(classes=7)]).ask(digits.pool.x[:5])
    with pytest.raises(InputError, match="bits must lie between 1 and the 64 units"):
        Dawn(bits=65).look_through(digits_victim.model, digits.train)
    claim = used.claim()
    other = Claim(scheme="dawn", secrets={**claim.secrets, "classes": 9})
    with pytest.raises(InvalidData, match="the claim is about 9 classes"):
        used.verify(other, digits_victim.oracle())
