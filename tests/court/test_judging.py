from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from stealproof.claims import Claim, Decision
from stealproof.court.claiming import claim_model, plan_parameters
from stealproof.court.drawing import plan_beacon
from stealproof.court.hearing import Party
from stealproof.court.judging import judge
from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.canonical import canonical
from stealproof.evidence.derivation import Derivation
from stealproof.evidence.dossier import Dossier, read_statement
from stealproof.evidence.keys import new_key, open_private
from stealproof.evidence.model_manifest import model_digest
from stealproof.oracle import Access, Answer, Answers, Oracle
from stealproof.ownership._derived_book import api_book, noise_book, served_labels
from stealproof.ownership.derived_triggers import DerivedTriggers

STEPS = ["envelope", "signer", "commitment", "timestamp", "generation", "test", "controls", "decision"]
PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def oks(judgement: Any) -> dict[str, bool | None]:
    return {finding.step: finding.ok for finding in judgement.findings}


def words(judgement: Any, step: str) -> str:
    return next(str(finding.words) for finding in judgement.findings if finding.step == step)


def test_a_chosen_claim_against_a_copy_holds_with_controls(dispute: Any) -> None:
    hearing = dispute.hearing(dispute.dossier(dispute.chosen), accuser=dispute.key.public.to_pem())
    found = judge(hearing, dispute.copy(dispute.chosen), controls=dispute.controls())
    assert [finding.step for finding in found.findings] == STEPS
    assert found.decision is Decision.OWNED
    assert oks(found) == dict.fromkeys(STEPS, True) | {"generation": None}
    assert found.verdict.controls != ()


def test_a_planned_claim_needs_no_controls(dispute: Any) -> None:
    dossier = dispute.dossier(dispute.planned, plan=dispute.plan.to_bytes(), stamped=False)
    found = judge(dispute.hearing(dossier), dispute.copy(dispute.planned))
    assert found.decision is Decision.OWNED
    assert oks(found) == dict.fromkeys(STEPS, True) | {"signer": None, "controls": None}
    # The plan is older than the suspect, and may be one of many that were hoarded all the same.
    assert found.verdict.level == pytest.approx(0.05 / 1e9)


@pytest.mark.parametrize("since", [None, PAST])
def test_a_plan_that_does_not_precede_the_suspect_is_judged_alike(dispute: Any, since: datetime | None) -> None:
    dossier = dispute.dossier(dispute.planned, plan=dispute.plan.to_bytes())
    found = judge(dispute.hearing(dossier, since=since), dispute.copy(dispute.planned), controls=dispute.controls(3))
    assert found.decision is Decision.OWNED
    assert oks(found)["timestamp"] is None
    assert found.verdict.level == pytest.approx(0.05 / 1e9)
    assert "1,000,000,000 attempts" in words(found, "test")


@pytest.mark.parametrize("since", [PAST, FUTURE])
def test_triggers_that_were_ground_to_fit_a_suspect_show_nothing(dispute: Any, digits: Any, since: datetime) -> None:
    """Of some timestamps, collected before or after, one gives triggers that an innocent suspect answers as wanted."""
    suspect, terms = dispute.innocent(7), dispute.planned
    for _ in range(60):
        plan = dispute.plan.stamped(dispute.tsa.stamp(dispute.plan.envelope))
        scheme = DerivedTriggers(**plan_parameters(plan, "derived_triggers"))
        secrets = {"commitment": scheme.commitment, "beacon": scheme.beacon}
        book = noise_book(secrets, 20, digits.domain, digits.classes)
        claim = dataclasses.replace(terms, parameters=scheme.parameters(), secrets=book)
        if scheme.verify(claim, suspect.oracle, level=0.5).decision is Decision.OWNED:
            break
    else:
        pytest.fail("60 timestamps gave no triggers that fit; expected about 1 in 5")
    found = judge(dispute.hearing(dispute.dossier(claim, plan=plan.to_bytes()), since=since, level=0.5), suspect)
    assert found.decision is not Decision.OWNED


@pytest.mark.parametrize("number", range(3))
def test_an_innocent_model_is_not_owned(dispute: Any, number: int) -> None:
    for claim, plan in ((dispute.chosen, b""), (dispute.planned, dispute.plan.to_bytes())):
        # The planned triggers are others each time; so the level is one that chance does not reach in a lifetime.
        hearing = dispute.hearing(dispute.dossier(claim, plan=plan), level=1e-9)
        found = judge(hearing, dispute.innocent(number), controls=dispute.controls())
        assert found.decision is Decision.NOT_OWNED
        assert oks(found)["test"] is False


@pytest.mark.parametrize(
    ("changes", "controls", "failed", "said"),
    [
        ({}, 0, "controls", "control"),
        ({}, 5, "controls", "got 5"),
        ({"since": None}, 19, "timestamp", "nobody said"),
        ({"since": PAST}, 19, "timestamp", "not before the accuser could look"),
        ({"roots": ()}, 19, "timestamp", "--tsa-root"),
        ({"attempts": 100}, 19, "controls", "1999 control models"),
    ],
)
def test_without_all_evidence_a_true_copy_is_inconclusive(
    dispute: Any, changes: dict[str, Any], controls: int, failed: str, said: str
) -> None:
    hearing = dispute.hearing(dispute.dossier(dispute.chosen), **changes)
    found = judge(hearing, dispute.copy(dispute.chosen), controls=dispute.controls(controls))
    assert found.decision is Decision.INCONCLUSIVE
    assert oks(found)[failed] is False
    assert said in words(found, failed)
    assert failed in words(found, "decision")


def test_a_claim_that_nobody_stamped_shows_nothing(dispute: Any) -> None:
    hearing = dispute.hearing(dispute.dossier(dispute.chosen, stamped=False))
    found = judge(hearing, dispute.copy(dispute.chosen), controls=dispute.controls())
    assert found.decision is Decision.INCONCLUSIVE
    assert "yesterday" in words(found, "timestamp")


def test_a_claim_that_holds_against_everybody_shows_nothing(dispute: Any) -> None:
    hearing = dispute.hearing(dispute.dossier(dispute.chosen))
    everybody = [dispute.copy(dispute.chosen) for _ in range(20)]
    found = judge(hearing, everybody[0], controls=everybody[1:])
    assert found.decision is Decision.INCONCLUSIVE


def test_a_planned_claim_without_a_trusted_authority_is_inconclusive(dispute: Any) -> None:
    dossier = dispute.dossier(dispute.planned, plan=dispute.plan.to_bytes())
    found = judge(dispute.hearing(dossier, roots=()), dispute.copy(dispute.planned))
    assert found.decision is Decision.INCONCLUSIVE
    assert "--tsa-root" in words(found, "generation")


def test_derived_triggers_without_a_plan_are_chosen_ones(dispute: Any) -> None:
    claim = dataclasses.replace(
        dispute.planned, parameters=dict(dispute.planned.parameters) | {"commitment": "", "beacon": ""}
    )
    found = judge(dispute.hearing(dispute.dossier(claim)), dispute.copy(claim))
    assert found.decision is Decision.INCONCLUSIVE
    assert "from no plan" in words(found, "generation")


def test_the_suspects_maker_may_have_claimed_first(dispute: Any, tmp_path: Any) -> None:
    theirs = dispute.dossier(dispute.chosen)
    suspect = dataclasses.replace(dispute.copy(dispute.chosen), digest=digest_of(dispute))
    late = dispute.dossier(dispute.chosen)
    hearing = dispute.hearing(late, since=None, counter=theirs)
    found = judge(hearing, suspect, controls=dispute.controls())
    assert oks(found)["timestamp"] is False
    assert "maker had claimed" in words(found, "timestamp")

    future = Dossier.from_bytes(theirs, what="it")
    forged = future.stamped(dispute.tsa.signer.forge(future.envelope, datetime.now(UTC) + timedelta(days=9)))
    found = judge(dispute.hearing(late, since=None, counter=forged.to_bytes()), suspect, controls=dispute.controls())
    assert oks(found)["timestamp"] is True
    assert found.decision is Decision.OWNED


def digest_of(dispute: Any) -> str:
    from stealproof.evidence.model_manifest import model_digest

    return model_digest(dispute.model)


def test_a_counter_dossier_is_about_the_suspect(dispute: Any) -> None:
    theirs, copy = dispute.dossier(dispute.chosen), dispute.copy(dispute.chosen)
    hearing = dispute.hearing(theirs, counter=theirs)
    with pytest.raises(InputError, match="shows none"):
        judge(hearing, copy)
    with pytest.raises(EvidenceError, match="step 4, timestamp: the counter-dossier is about"):
        judge(hearing, dataclasses.replace(copy, digest="00" * 32))
    bare = dispute.hearing(theirs, counter=dispute.dossier(dispute.chosen, stamped=False))
    with pytest.raises(EvidenceError, match="has no timestamp"):
        judge(bare, dataclasses.replace(copy, digest=digest_of(dispute)))


def test_evidence_that_contradicts_itself_ends_the_trial(dispute: Any, tmp_path: Any) -> None:
    suspect = dispute.copy(dispute.chosen)
    mine = Dossier.from_bytes(dispute.dossier(dispute.chosen), what="it")
    other = Dossier.from_bytes(dispute.dossier(dispute.planned, plan=dispute.plan.to_bytes()), what="it")
    new_key(tmp_path / "liar")
    liar = open_private(tmp_path / "liar")
    for hearing, message in (
        (dispute.hearing(b"PK"), "step 1, envelope"),
        (dispute.hearing(dispute.plan.to_bytes()), "step 1, envelope: .*plan"),
        (dispute.hearing(mine.to_bytes(), accuser=liar.public.to_pem()), "step 2, signer"),
        (dispute.hearing(mine.closed().to_bytes()), "step 3, commitment: .*closed"),
        (dispute.hearing(dataclasses.replace(mine, salt=bytes(32)).to_bytes()), "step 3, commitment"),
        (dispute.hearing(mine.stamped(other.token).to_bytes()), "step 4, timestamp"),
        (dispute.hearing(mine.to_bytes(), roots=(dispute.tsa.signer.pem[:-40] + b"\n",)), "root"),
    ):
        with pytest.raises((EvidenceError, InputError), match=message):
            judge(hearing, suspect)


def test_triggers_that_do_not_follow_from_the_plan_are_refused(dispute: Any) -> None:
    claim, plan = dispute.planned, dispute.plan
    book = dict(claim.secrets)
    cases = {
        "labels": dataclasses.replace(claim, secrets=book | {"labels": (book["labels"] + 1) % 10}),
        "inputs": dataclasses.replace(claim, secrets=book | {"inputs": np.roll(book["inputs"], 1, axis=0)}),
        "beacon": dataclasses.replace(claim, secrets=book | {"beacon": "11" * 32}),
    }
    for name, altered in cases.items():
        hearing = dispute.hearing(dispute.dossier(altered, plan=plan.to_bytes()))
        with pytest.raises(
            EvidenceError, match=f"step 5, generation: .*{name if name != 'beacon' else 'another beacon'}"
        ):
            judge(hearing, dispute.copy(altered))


def test_a_plan_of_another_signer_is_refused(dispute: Any, digits: Any, tmp_path: Any) -> None:
    new_key(tmp_path / "other")
    other = open_private(tmp_path / "other")
    with pytest.raises(EvidenceError, match="another key than the claim"):
        judge(
            dispute.hearing(dispute.smuggled(dispute.planned, dispute.plan, key=other)), dispute.copy(dispute.planned)
        )
    content = Dossier.from_bytes(dispute.smuggled(dispute.planned, dispute.plan), what="it").content
    with pytest.raises(EvidenceError, match="another key than the claim"):
        claim_model(content, dispute.model, other, plan=dispute.plan.to_bytes(), what="it")


@pytest.mark.parametrize("spelling", ["{} ", " {}", "{}\n"])
def test_terms_in_another_spelling_are_refused_since_other_triggers_follow(
    dispute: Any, digits: Any, spelling: str
) -> None:
    """Else a liar would have as many trigger sets of one plan as there are ways to space its terms."""
    secrets = dispute.planned.secrets
    terms = spelling.format(secrets["terms"])
    derivation = Derivation(
        commitment=bytes.fromhex(secrets["commitment"]), beacon=bytes.fromhex(secrets["beacon"]), terms=terms.encode()
    )
    labels = derivation.labels(20, 10)
    made = {"terms": terms, "inputs": derivation.noise(20, digits.domain), "labels": labels}
    claim = dataclasses.replace(dispute.planned, secrets=secrets | made)
    assert not np.array_equal(labels, secrets["labels"])
    with pytest.raises(EvidenceError, match="spells its terms in another way"):
        judge(dispute.hearing(dispute.smuggled(claim, dispute.plan)), dispute.copy(claim))


@pytest.mark.parametrize("count", [14, 19, 30])
def test_a_claim_of_more_or_fewer_triggers_than_planned_is_refused(dispute: Any, digits: Any, count: int) -> None:
    """Else a liar would stop counting where the suspect matches best."""
    secrets = dispute.planned.secrets
    known = {name: secrets[name] for name in ("commitment", "beacon")}
    claim = dataclasses.replace(dispute.planned, secrets=noise_book(known, count, digits.domain, 10))
    with pytest.raises(EvidenceError, match=f"holds {count} triggers, but 20 were planned"):
        judge(dispute.hearing(dispute.smuggled(claim, dispute.plan)), dispute.copy(claim))


def test_a_plan_that_leaves_the_inputs_open_proves_nothing(dispute: Any) -> None:
    """Else a liar would keep, of many inputs, those whose derived labels every good model gives."""
    parameters = DerivedTriggers(triggers=20).parameters()
    plan = dispute.plan_of({"mode": "api", "classes": 10, "shape": [1, 8, 8], "rate": 1.0}, parameters)
    known = {"commitment": read_statement(plan, what="it").commitment, "beacon": plan_beacon(plan).value.hex()}
    book = api_book(known, 1.0, (1, 8, 8), 10)
    inputs = np.random.default_rng(0).random((20, 1, 8, 8)).astype(np.float32)
    book |= {"inputs": inputs, "labels": np.asarray(served_labels(book, inputs))}
    claim = dataclasses.replace(dispute.planned, parameters=parameters | known, secrets=book)
    with pytest.raises(EvidenceError, match="leaves the inputs to whoever sends them"):
        judge(dispute.hearing(dispute.smuggled(claim, plan), since=PAST), dispute.copy(claim))


@pytest.mark.parametrize(
    "terms",
    [{"levels": {"9999": [0.0, 1.0]}}, {"shape": [2**40]}, {"classes": 0}, {"classes": 2**40}, {"low": "x"}],
)
def test_a_plan_with_impossible_terms_is_bad_evidence(dispute: Any, terms: dict[str, Any]) -> None:
    parameters = DerivedTriggers(triggers=20).parameters()
    box = {"mode": "noise", "classes": 10, "shape": [1, 8, 8], "low": 0.0, "high": 1.0, "levels": {}}
    plan = dispute.plan_of(box | terms, parameters)
    known = {"commitment": read_statement(plan, what="it").commitment, "beacon": plan_beacon(plan).value.hex()}
    secrets = dispute.planned.secrets | known | {"terms": canonical(box | terms).decode()}
    claim = dataclasses.replace(dispute.planned, parameters=parameters | known, secrets=secrets)
    with pytest.raises(EvidenceError, match="step 5"):
        judge(dispute.hearing(dispute.smuggled(claim, plan)), dispute.innocent())


def test_a_suspect_that_is_older_than_the_plan_cannot_hold_its_triggers(dispute: Any) -> None:
    counter = dispute.dossier(dispute.chosen)
    # Timestamps are whole seconds.
    later = datetime.now(UTC) + timedelta(seconds=2)
    plan = dispute.plan.stamped(dispute.tsa.signer.forge(dispute.plan.envelope, later))
    scheme = DerivedTriggers(**plan_parameters(plan, "derived_triggers"))
    secrets = dict(dispute.planned.secrets) | {"beacon": scheme.beacon}
    derivation = Derivation(
        commitment=bytes.fromhex(secrets["commitment"]),
        beacon=bytes.fromhex(scheme.beacon),
        terms=secrets["terms"].encode(),
    )
    made = {"inputs": derivation.noise(20, dispute.innocent().oracle.domain), "labels": derivation.labels(20, 10)}
    claim = dataclasses.replace(dispute.planned, parameters=scheme.parameters(), secrets=secrets | made)
    suspect = dataclasses.replace(dispute.copy(claim), digest=model_digest(dispute.model))
    hearing = dispute.hearing(dispute.dossier(claim, plan=plan.to_bytes()), counter=counter, since=None)
    found = judge(hearing, suspect)
    assert oks(found)["timestamp"] is False
    assert "can't hold what came of it" in words(found, "timestamp")
    assert found.decision is Decision.INCONCLUSIVE


@pytest.mark.parametrize("level", [0.0, 1.0, 2.0, 9e8])
def test_a_level_is_a_chance_however_many_attempts_share_it(dispute: Any, level: float) -> None:
    dossier = dispute.dossier(dispute.planned, plan=dispute.plan.to_bytes())
    with pytest.raises(InputError, match="level must lie between 0 and 1"):
        judge(dispute.hearing(dossier, level=level), dispute.copy(dispute.planned))


def test_control_models_without_networks_do_not_stand_in_for_networks(dispute: Any) -> None:
    import torch

    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.Linear(32, 10))
    secrets = {"shape": np.array([32, 64]), "place": 0, "secret": 5}
    claim = Claim(scheme="uchida2017", parameters={"bits": 32}, secrets=secrets)
    opened = [dataclasses.replace(control, model=network) for control in dispute.controls()]
    suspect = dataclasses.replace(dispute.innocent(), model=network)
    hearing = dispute.hearing(dispute.dossier(claim))
    assert judge(hearing, suspect, controls=opened).decision is not Decision.OWNED
    with pytest.raises(InputError, match="opens the suspect's network"):
        judge(hearing, suspect, controls=[*opened[:5], dispute.innocent()])


REGRESSOR = {
    "hidden_weight": np.ones((3, 1)),
    "hidden_bias": np.zeros(3),
    "output_weight": np.ones(3),
    "output_bias": np.zeros(1),
    "mean": np.zeros(1),
    "scale": np.ones(1),
}
WALKS = {"norms": ("l2",), "starts": 1, "walk_steps": 3}


@pytest.mark.parametrize(
    ("scheme", "parameters", "secrets"),
    [
        ("dataset_inference", WALKS, REGRESSOR | {"mean": np.zeros(5)}),
        ("dataset_inference", WALKS, REGRESSOR | {"mean": "x"}),
        ("dataset_inference", WALKS, REGRESSOR | {"scale": np.zeros(1)}),
        ("dataset_inference", WALKS, REGRESSOR | {"members": np.arange(7) < 3}),
        (
            "radioactive_data",
            {},
            {"classes": 10, "clean": np.zeros((20, 64)), "decoys": np.zeros((3, 5, 1, 8, 8))},
        ),
        ("adi2018", {"triggers": 20}, {"classes": "ten"}),
        ("zest", {}, {"segments": np.zeros((8, 8), np.int64), "keep": np.ones((20, 20_000, 1), np.uint8)}),
        ("derived_triggers", {"triggers": 20}, {"mode": "noise", "terms": "[" * 200_000}),
        ("derived_triggers", {"triggers": 20}, {"mode": "noise", "terms": '{"classes": 1e400}'}),
    ],
)
def test_secrets_that_do_not_belong_together_are_bad_evidence(
    dispute: Any, scheme: str, parameters: dict[str, Any], secrets: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    shared = {
        "inputs": rng.random((20, 1, 8, 8)).astype(np.float32),
        "labels": rng.integers(10, size=20),
        "members": np.arange(20) < 10,
        "fill": np.zeros((20, 1, 8, 8), np.float32),
        "signature_probabilities": np.ones(10),
        "unit_probabilities": 1.0,
        "commitment": "00" * 32,
        "beacon": "11" * 32,
    }
    claim = Claim(scheme=scheme, parameters=parameters, secrets=shared | secrets)
    with pytest.raises(EvidenceError):
        judge(dispute.hearing(dispute.dossier(claim)), dispute.innocent(scores=True))


@pytest.mark.parametrize("cost", [{"starts": 10**9}, {"walk_steps": 10**12}])
def test_a_claim_cannot_make_a_judge_walk_without_end(dispute: Any, cost: dict[str, int]) -> None:
    inputs = np.zeros((4, 1, 8, 8), np.float32) + np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1) / 10
    secrets: dict[str, Any] = {"inputs": inputs, "labels": np.zeros(4, np.int64), "members": np.arange(4) < 2}
    secrets |= REGRESSOR
    claim = Claim(scheme="dataset_inference", parameters=WALKS | cost, secrets=secrets)
    with pytest.raises(InputError, match="must be at most"):
        judge(dispute.hearing(dispute.dossier(claim)), dispute.innocent())


def test_a_suspect_that_fails_is_no_fault_of_the_claim(dispute: Any) -> None:
    class Failing(Oracle):
        def _answer(self, queries: Any) -> Answers:
            raise ValueError("no such key")

    oracle = Failing(domain=dispute.innocent().oracle.domain, classes=10, access=Access(answer=Answer.LABELS))
    with pytest.raises(ValueError, match="no such key"):
        judge(dispute.hearing(dispute.dossier(dispute.chosen)), Party(name="it", oracle=oracle))


def test_attempts_are_counted_from_one(dispute: Any) -> None:
    with pytest.raises(InputError, match="at least 1 attempt"):
        judge(dispute.hearing(dispute.dossier(dispute.chosen), attempts=0), dispute.copy(dispute.chosen))
