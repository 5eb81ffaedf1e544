"""The beacon of a plan: of which kind it is to be, which the plan commits to, and what was drawn since.

So an accuser who does not like one beacon can't take one of the other kind: a plan that says otherwise is another plan,
with another commitment, which has to be timestamped anew.
"""

from __future__ import annotations

from datetime import UTC, datetime

from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.beacon import Beacon, Kind, check_beacon, drand_beacon, round_after, timestamp_beacon
from stealproof.evidence.canonical import parse
from stealproof.evidence.dossier import PLAN, Dossier
from stealproof.evidence.drand import QUICKNET, Round, fetch_round


def planned_kind(plan: Dossier) -> Kind:
    """Where the open ``plan`` takes its beacon from; one that says nothing takes it from its timestamp."""
    said = parse(plan.content, what="the plan")
    kind = said.get("beacon", "timestamp") if isinstance(said, dict) else None
    if kind not in ("timestamp", "drand"):
        raise EvidenceError(f"the plan takes its beacon from {kind!r:.40}; expected timestamp or drand")
    return "drand" if kind == "drand" else "timestamp"


def plan_beacon(plan: Dossier) -> Beacon:
    """The beacon that the open ``plan`` leads to; whether its token is by somebody to trust is for others to check.

    Raises:
        EvidenceError: it was not drawn yet, or the plan holds another than its timestamp leads to.
        MissingExtra: py_ecc, which checks a round of drand.
    """
    kind = planned_kind(plan)
    if not plan.token:
        raise EvidenceError("the plan has no timestamp, so there is no beacon; stealproof claim timestamp makes one")
    if kind == "timestamp":
        if plan.round:
            raise EvidenceError("the plan takes its beacon from its timestamp, but holds a round of drand")
        return timestamp_beacon(plan.token)
    if not plan.round:
        number = round_after(plan.token)
        raise EvidenceError(
            f"the plan takes its beacon from round {number} of drand, which it does not hold;"
            " stealproof claim beacon fetches it"
        )
    beacon = drand_beacon(Round.from_bytes(plan.round, what="the plan's round"))
    check_beacon(beacon, plan.token)
    return beacon


def due_round(plan: Dossier) -> tuple[int, datetime]:
    """Which round of drand the timestamp of the open ``plan`` leads to, and when that comes out.

    Raises:
        InputError: it takes its beacon from somewhere else.
        EvidenceError: it has no timestamp, or is no plan.
    """
    if plan.kind != PLAN:
        raise EvidenceError("this is the dossier of a claim; expected what `stealproof claim plan` wrote")
    if planned_kind(plan) == "timestamp":
        raise InputError("the plan takes its beacon from its timestamp, so it needs no round of drand; go on")
    if not plan.token:
        raise EvidenceError("the plan has no timestamp, which leads to its round; stealproof claim timestamp makes one")
    number = round_after(plan.token)
    return number, QUICKNET.time_of(number)


def fetch_due(plan: Dossier, *, server: str, timeout: float) -> Round:
    """The round that ``plan`` waits for, as a server of drand gives it; see ``fetch_round``.

    Raises:
        InputError: it is not out yet.
    """
    number, moment = due_round(plan)
    if datetime.now(UTC) < moment:
        raise InputError(f"round {number} of drand comes out at {in_utc(moment)}; run the command again then")
    return fetch_round(number, server=server, timeout=timeout)


def hold_round(plan: Dossier, drawn: Round) -> Dossier:
    """A copy of ``plan`` with the round that its timestamp leads to; ``EvidenceError`` for any other."""
    held = plan.with_round(drawn)
    plan_beacon(held)
    return held


def beacon_in_words(beacon: Beacon) -> str:
    """Where a plan's beacon comes from."""
    if beacon.kind == "timestamp":
        return "that timestamp"
    return f"round {beacon.number} of drand, which came out at {in_utc(QUICKNET.time_of(beacon.number))}"


def in_utc(moment: datetime) -> str:
    """A moment as it is shown."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
