"""Steps 1 to 5 of a judgement: what can be said of a dossier before the suspect is asked anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from stealproof.claims import Claim
from stealproof.court.claiming import check_follows, committed_claim, is_derived
from stealproof.court.drawing import beacon_in_words, in_utc, plan_beacon
from stealproof.court.hearing import Hearing, Party
from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.dossier import CLAIM, Assertion, Dossier, read_statement
from stealproof.evidence.keys import PublicKey
from stealproof.evidence.timestamp import check_token

Outcome = tuple[bool | None, str]


@dataclass(slots=True, kw_only=True)
class File:
    """A hearing, and what its steps have found so far."""

    hearing: Hearing
    dossier: Dossier = field(init=False)
    assertion: Assertion = field(init=False)
    claim: Claim = field(init=False)
    precedes: bool = False
    """Whether the claim is older than the accuser's first look at the suspect."""
    honest: bool = False
    """Whether inputs and labels follow from a beacon, so that nobody chose them."""


def check_envelope(file: File, suspect: Party) -> Outcome:
    """Step 1: the statement is what was signed."""
    file.dossier = Dossier.from_bytes(file.hearing.dossier, what="the dossier")
    file.assertion = said = read_statement(file.dossier, what="the dossier")
    if file.dossier.kind != CLAIM:
        raise EvidenceError("this is the dossier of a plan; expected that of the claim that came of it")
    return True, f"a signed statement claims {said.subject} (SHA-256 {said.model}) by {said.scheme}"


def check_signer(file: File, suspect: Party) -> Outcome:
    """Step 2: whose key it is."""
    key_id = file.assertion.key_id
    if not file.hearing.accuser:
        return None, f"signed with the key {key_id}; whose that is, nobody said (--accuser names the key expected)"
    expected = PublicKey.from_pem(file.hearing.accuser, what="the accuser's key")
    if expected.key_id != key_id:
        raise EvidenceError(f"the dossier is signed with the key {key_id}, expected {expected.key_id}")
    return True, f"signed with the accuser's key {key_id}"


def check_commitment(file: File, suspect: Party) -> Outcome:
    """Step 3: what is shown now is what was promised."""
    file.claim = committed_claim(file.dossier, file.assertion, what="the dossier")
    return True, f"the claim shown is the one committed to ({file.assertion.commitment})"


def check_precedence(file: File, suspect: Party) -> Outcome:
    """Step 4: the claim, or the plan that it follows, is older than the accuser's first look at the suspect."""
    hearing, planned = file.hearing, bool(file.dossier.plan)
    oldest = Dossier.from_bytes(file.dossier.plan, what="the plan") if planned else file.dossier
    what = "plan" if planned else "claim"
    if not oldest.token:
        return False, f"the {what} has no timestamp: it could have been made yesterday, from the suspect's own answers"
    if not hearing.roots:
        return False, f"the {what} has a timestamp, but the judge named no authority to trust (--tsa-root)"
    if file.dossier.token:
        check_token(file.dossier.token, file.dossier.envelope, roots=hearing.roots)
    stamp = check_token(oldest.token, oldest.envelope, roots=hearing.roots)
    words = f"{stamp.authority} saw the {what} at {in_utc(stamp.time)}"
    known = [(hearing.since, "the accuser could look at the suspect")] if hearing.since is not None else []
    there = _counter_time(hearing, suspect) if hearing.counter else None
    if there is not None:
        known.append((there, "the suspect's maker had claimed the suspect"))
    if known and stamp.time < min(known)[0]:
        file.precedes = True
        return True, f"{words}, before {min(known)[1]} ({in_utc(min(known)[0])})"
    if known:
        words += f", not before {min(known)[1]} ({in_utc(min(known)[0])})"
    else:
        words += "; since when the accuser could look at the suspect, nobody said (--suspect-since, --counter)"
    if there is not None and there < stamp.time:
        return False, f"{words}: what is older than the {what} can't hold what came of it"
    if planned:
        return None, f"{words}; triggers that nobody chose need no date, since step 6 counts secret attempts anyway"
    return False, words


def check_generation(file: File, suspect: Party) -> Outcome:
    """Step 5: nobody chose the inputs, or control models must show that the choice was fair."""
    claim, hearing = file.claim, file.hearing
    if not file.dossier.plan:
        drawn = "its triggers were derived, but from no plan" if is_derived(claim) else "the accuser chose the secrets"
        return None, f"{drawn}, so that only control models can tell whether they single out copies"
    plan = Dossier.from_bytes(file.dossier.plan, what="the plan")
    check_follows(claim, plan, signer=file.assertion.key_id)
    if not plan.token:
        raise EvidenceError("the plan has no timestamp, so that there is no beacon")
    if not hearing.roots:
        return False, "the plan has a timestamp, but the judge named no authority to trust (--tsa-root)"
    stamp = check_token(plan.token, plan.envelope, roots=hearing.roots)
    beacon = plan_beacon(plan)
    if claim.secrets["beacon"] != beacon.value.hex():
        raise EvidenceError(f"the claim's triggers follow from another beacon than the plan's {beacon.kind}")
    _derive_again(claim, suspect)
    file.honest = True
    return True, (
        f"{stamp.authority} saw the plan at {in_utc(stamp.time)}; all {len(claim.secrets['labels'])} triggers follow"
        f" from the plan and {beacon_in_words(beacon)}, which nobody could choose"
    )


def _derive_again(claim: Claim, suspect: Party) -> None:
    """Raise ``EvidenceError`` unless inputs and labels are those that follow from commitment, beacon and terms."""
    from stealproof.ownership._derived_book import regenerated
    from stealproof.roles.trial import Trial

    silent = Trial(
        claim=claim, suspect=suspect.oracle, model=None, level=0.5, seed=0, progress=lambda what, share: None
    )
    regenerated(silent)


def _counter_time(hearing: Hearing, suspect: Party) -> datetime:
    """When the suspect's maker had claimed the suspect."""
    counter = Dossier.from_bytes(hearing.counter, what="the counter-dossier")
    said = read_statement(counter, what="the counter-dossier")
    if not suspect.digest:
        raise InputError("a counter-dossier is about a model's files, and the suspect shows none; name its file")
    if counter.kind != CLAIM or said.model != suspect.digest:
        raise EvidenceError(f"the counter-dossier is about the model {said.model}, but the suspect is {suspect.digest}")
    if not counter.token:
        raise EvidenceError("the counter-dossier has no timestamp, so it does not say since when the suspect exists")
    return check_token(counter.token, counter.envelope, roots=hearing.roots).time
