"""What can be checked of a dossier without a suspect: by its maker before it is needed, by anybody who is shown it."""

from __future__ import annotations

from collections.abc import Sequence

from stealproof.court.claiming import check_follows, committed_claim
from stealproof.court.drawing import beacon_in_words, plan_beacon, planned_kind
from stealproof.errors import EvidenceError
from stealproof.evidence.dossier import CLAIM, Dossier, check_content, read_statement
from stealproof.evidence.keys import PublicKey
from stealproof.evidence.timestamp import check_token


def check_dossier(
    content: bytes, *, roots: Sequence[bytes] = (), accuser: PublicKey | None = None, what: str
) -> dict[str, str]:
    """Each thing that was checked, and what was found, in words.

    Args:
        content: a dossier file.
        roots: certificates in PEM of the time-stamping authorities to trust; without any, no timestamp is checked.
        accuser: the key that the accuser is known by; None for whichever stands in the file.
        what: the file in words, for messages.

    Raises:
        EvidenceError: something does not check out.
    """
    dossier = Dossier.from_bytes(content, what=what)
    said = read_statement(dossier, what=what)
    if accuser is not None and accuser.key_id != said.key_id:
        raise EvidenceError(f"{what} is signed with the key {said.key_id}, expected {accuser.key_id}")
    checks = {
        "envelope": f"signed and untouched; it is about {said.subject}, by {said.scheme}",
        "signer": f"key {said.key_id}" + ("" if accuser is None else ", as expected"),
        "commitment": "closed: nothing is shown of what it commits to",
        "timestamp": _stamp(dossier, roots),
    }
    if not dossier.opened:
        return checks
    checks["commitment"] = "what it shows is what it committed to"
    if dossier.kind == CLAIM:
        claim = committed_claim(dossier, said, what=what)
        if dossier.plan:
            plan = Dossier.from_bytes(dossier.plan, what="the plan")
            check_follows(claim, plan, signer=said.key_id)
            beacon = plan_beacon(plan)
            if claim.secrets["beacon"] != beacon.value.hex():
                raise EvidenceError(f"the claim's triggers follow from another beacon than the plan's {beacon.kind}")
            checks["plan"] = f"the claim follows from it; {_stamp(plan, roots)}"
            if beacon.kind == "drand":
                checks["beacon"] = beacon_in_words(beacon)
    else:
        check_content(dossier, said, what=what)
        checks["beacon"] = _beacon(dossier)
    return checks


def _beacon(plan: Dossier) -> str:
    kind = planned_kind(plan)
    if not plan.token or (kind == "drand" and not plan.round):
        words = {"timestamp": "the timestamp", "drand": "the round of drand that the timestamp leads to"}
        return f"none yet; it will be {words[kind]}"
    return beacon_in_words(plan_beacon(plan))


def _stamp(dossier: Dossier, roots: Sequence[bytes]) -> str:
    if not dossier.token:
        return "none"
    if not roots:
        return "there is one, which was not checked: name the authority's root certificate with --tsa-root"
    stamp = check_token(dossier.token, dossier.envelope, roots=roots)
    return f"{stamp.time:%Y-%m-%d %H:%M:%S} UTC by {stamp.authority}"
