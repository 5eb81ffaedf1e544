from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from stealproof.claims import Decision
from stealproof.court.claiming import plan_parameters
from stealproof.court.judging import judge
from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.dossier import Dossier
from stealproof.evidence.keys import new_key, open_private
from stealproof.ownership._derived_book import noise_book
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
    from stealproof.court.claiming import claim_model

    new_key(tmp_path / "other")
    content = Dossier.from_bytes(dispute.dossier(dispute.planned, plan=dispute.plan.to_bytes()), what="it").content
    stolen = claim_model(
        content, dispute.model, open_private(tmp_path / "other"), plan=dispute.plan.to_bytes(), what="it"
    )
    with pytest.raises(EvidenceError, match="another key than the claim"):
        judge(dispute.hearing(stolen.to_bytes()), dispute.copy(dispute.planned))


def test_attempts_are_counted_from_one(dispute: Any) -> None:
    with pytest.raises(InputError, match="at least 1 attempt"):
        judge(dispute.hearing(dispute.dossier(dispute.chosen), attempts=0), dispute.copy(dispute.chosen))
