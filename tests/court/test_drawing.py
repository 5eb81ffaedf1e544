"""Plans whose beacon is a round of drand: what can't be exchanged afterwards, and what a judge says of them."""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from stealproof.court.checking import check_dossier
from stealproof.court.claiming import claim_model, plan_parameters, plan_triggers
from stealproof.court.drawing import due_round, fetch_due, hold_round, plan_beacon, planned_kind
from stealproof.court.judging import judge
from stealproof.court.replay import replay
from stealproof.court.verdict_file import judge_and_sign, outcome
from stealproof.errors import EvidenceError, InputError, MissingExtra
from stealproof.evidence.beacon import timestamp_beacon
from stealproof.evidence.canonical import canonical, parse
from stealproof.evidence.dossier import CLAIM, PLAN, Dossier, new_dossier
from stealproof.evidence.drand import QUICKNET, Round
from stealproof.inputs.claim import save_claim
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.roles.dataset import Dataset

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def claimed(case: Any, plan: Dossier, beacon: str = "") -> Dossier:
    """A claim by any plan, however little it follows from it."""
    claim = case.planned
    if beacon:
        secrets = claim.secrets | {"beacon": beacon}
        claim = dataclasses.replace(claim, parameters=claim.parameters | {"beacon": beacon}, secrets=secrets)
    content = save_claim(claim, case.folder / "drawn.claim").read_bytes()
    made = new_dossier(
        content, bytes(32), kind=CLAIM, subject="m", model="ab" * 32, scheme=claim.scheme, parameters=claim.parameters,
        key=case.key, created=datetime.now(UTC), plan=plan.to_bytes(),
    )  # fmt: skip
    return made.stamped(case.tsa.stamp(made.envelope))


def finding(judgement: Any, step: str) -> Any:
    return next(found for found in judgement.findings if found.step == step)


def test_a_plan_says_where_its_beacon_comes_from_or_means_the_timestamp(dispute: Any, drawn: Any) -> None:
    assert planned_kind(dispute.plan) == "timestamp"
    assert "beacon" not in parse(dispute.plan.content, what="it")
    assert planned_kind(drawn.plan) == "drand"
    for content in (
        b"[]",
        canonical({"beacon": "dice"}),
        canonical({"beacon": None}),
        canonical({"beacon": ["drand"]}),
    ):
        with pytest.raises(EvidenceError, match="takes its beacon from"):
            planned_kind(dataclasses.replace(drawn.plan, content=content))


def test_the_kind_of_beacon_can_not_be_exchanged_afterwards(dispute: Any, drawn: Any, known_round: Round) -> None:
    """Not in the content, which was committed to, nor in a statement that is signed anew, which nobody stamped."""
    for case, other in ((drawn, None), (dispute, "drand")):
        said = {name: value for name, value in parse(case.plan.content, what="it").items() if name != "beacon"}
        content = canonical(said | ({} if other is None else {"beacon": other}))
        swapped = dataclasses.replace(case.plan, content=content, round=b"")
        if other:
            swapped = swapped.with_round(known_round)
        with pytest.raises(EvidenceError, match="not what was promised"):
            plan_parameters(swapped, "derived_triggers")
        dossier = claimed(case, swapped).to_bytes()
        with pytest.raises(EvidenceError, match="not what was promised"):
            check_dossier(dossier, roots=case.tsa.roots, what="it")
        with pytest.raises(EvidenceError, match=r"step 5, generation: .*not what was promised"):
            judge(case.hearing(dossier), case.copy(case.planned))
        resigned = new_dossier(
            content, swapped.salt, kind=PLAN, subject="none", model="", scheme="derived_triggers", parameters={},
            key=case.key, created=datetime.now(UTC),
        )  # fmt: skip
        resigned = dataclasses.replace(resigned, token=swapped.token, round=swapped.round)
        with pytest.raises(EvidenceError, match="about other content"):
            judge(case.hearing(claimed(case, resigned).to_bytes()), case.copy(case.planned))


def test_only_the_round_that_the_timestamp_leads_to_is_held(dispute: Any, drawn: Any, known_round: Round) -> None:
    bare = drawn.plan.stamped(drawn.plan.token)
    assert due_round(bare) == (known_round.number, QUICKNET.time_of(known_round.number))
    assert hold_round(bare, known_round) == drawn.plan
    other = bytes([known_round.signature[0]]) + known_round.signature[:0:-1]
    for wrong, words in (
        (
            Round(known_round.number + 1, known_round.signature),
            "is round 657414 of drand, but .* leads to round 657413",
        ),
        (Round(known_round.number, other), "no point of BLS12-381"),
        (Round(known_round.number, b""), "48 bytes, got 0"),
    ):
        with pytest.raises(EvidenceError, match=words):
            hold_round(bare, wrong)
    with pytest.raises(EvidenceError, match="does not hold; stealproof claim beacon fetches it"):
        plan_parameters(bare, "derived_triggers")
    with pytest.raises(EvidenceError, match=r"no timestamp, .*stealproof claim timestamp"):
        due_round(dataclasses.replace(bare, token=b""))
    with pytest.raises(InputError, match="takes its beacon from its timestamp"):
        due_round(dispute.plan)
    with pytest.raises(EvidenceError, match="the dossier of a claim"):
        due_round(Dossier.from_bytes(dispute.dossier(dispute.chosen), what="it"))
    with pytest.raises(EvidenceError, match="from its timestamp, but holds a round"):
        plan_beacon(dispute.plan.with_round(known_round))


def test_a_round_that_is_not_out_is_not_asked_for(drawn: Any) -> None:
    fresh = drawn.plan.stamped(drawn.tsa.stamp(drawn.plan.envelope))
    number, moment = due_round(fresh)
    assert moment > datetime.now(UTC)
    with pytest.raises(InputError, match=f"round {number} of drand comes out at {moment:%Y-%m-%d %H:%M:%S} UTC"):
        fetch_due(fresh, server="http://127.0.0.1:9", timeout=1)


def test_a_claim_is_made_by_a_plan_that_holds_its_round_only(drawn: Any) -> None:
    content = Dossier.from_bytes(drawn.dossier(drawn.planned, plan=drawn.plan.to_bytes()), what="it").content
    bare = drawn.plan.stamped(drawn.plan.token)
    with pytest.raises(EvidenceError, match="stealproof claim beacon"):
        claim_model(content, drawn.model, drawn.key, plan=bare.to_bytes(), what="it")


def test_a_dossier_is_checked_with_its_round(dispute: Any, drawn: Any, digits: Dataset) -> None:
    words = "round 657413 of drand, which came out at 2023-09-15 11:00:03 UTC"
    dossier = drawn.dossier(drawn.planned, plan=drawn.plan.to_bytes())
    checks = check_dossier(dossier, roots=drawn.tsa.roots, what="it")
    assert checks["plan"] == "the claim follows from it; 2023-09-15 10:59:03 UTC by CN=early"
    assert checks["beacon"] == words
    assert check_dossier(drawn.plan.to_bytes(), what="it")["beacon"] == words
    bare = plan_triggers(DerivedTriggers(triggers=20), digits, dispute.key, beacon="drand")
    for plan, said in (
        (bare, "none yet; it will be the round of drand"),
        (drawn.plan.stamped(drawn.plan.token), "none yet; it will be the round of drand"),
        (dataclasses.replace(dispute.plan, token=b""), "none yet; it will be the timestamp"),
        (dispute.plan, "that timestamp"),
    ):
        assert check_dossier(plan.to_bytes(), what="it")["beacon"].startswith(said)


@pytest.mark.parametrize("since", [None, PAST])
def test_a_judge_says_which_round_it_was_and_counts_secret_attempts_all_the_same(drawn: Any, since: Any) -> None:
    dossier = drawn.dossier(drawn.planned, plan=drawn.plan.to_bytes())
    found, content = judge_and_sign(drawn.hearing(dossier, since=since), drawn.copy(drawn.planned), drawn.judge)
    assert found.decision == "owned"
    said = finding(found, "generation")
    assert said.ok
    assert "from the plan and round 657413 of drand, which came out at 2023-09-15 11:00:03 UTC, which" in said.words
    assert "1,000,000,000 attempts" in finding(found, "test").words
    assert outcome(replay(content)[0]) == outcome(found)


def test_a_judge_refuses_every_other_round(dispute: Any, drawn: Any, known_round: Round) -> None:
    bare = drawn.plan.stamped(drawn.plan.token)
    flipped = bytes([*known_round.signature[:-1], known_round.signature[-1] ^ 1])
    unstamped = dispute.tsa.stamp_before(drawn.plan.envelope, Round(known_round.number - 1, b""))
    early = timestamp_beacon(drawn.plan.token).value.hex()
    for case, plan, beacon, words in (
        (drawn, bare, "", "stealproof claim beacon"),
        (drawn, bare, early, "stealproof claim beacon"),
        (drawn, drawn.plan, early, "another beacon than the plan's drand"),
        (drawn, bare.with_round(Round(known_round.number - 1, known_round.signature)), "", "is round 657412 of drand"),
        (drawn, bare.with_round(Round(known_round.number, flipped)), "", "no point|outside|not that of the chain"),
        (drawn, bare.stamped(unstamped).with_round(known_round), "", "leads to round 657412"),
        (dispute, dispute.plan.with_round(known_round), "", "from its timestamp, but holds a round"),
    ):
        dossier = claimed(case, plan, beacon).to_bytes()
        with pytest.raises(EvidenceError, match=f"step 5, generation: .*({words})"):
            judge(case.hearing(dossier), case.copy(case.planned))
        with pytest.raises(EvidenceError, match=words):
            check_dossier(dossier, roots=case.tsa.roots, what="it")


def test_without_the_extra_one_sentence_says_what_to_install(drawn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dossier = drawn.dossier(drawn.planned, plan=drawn.plan.to_bytes())
    monkeypatch.setitem(sys.modules, "py_ecc.bls.hash_to_curve", None)
    with pytest.raises(MissingExtra, match=r"pip install 'stealproof\[drand\]'"):
        judge(drawn.hearing(dossier), drawn.copy(drawn.planned))
