"""The verdict file: a signed verdict with the evidence and the answers from which anybody can recompute it."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stealproof.court.case import HeldOut
from stealproof.court.hearing import Hearing, Judgement, Party
from stealproof.court.judging import judge
from stealproof.court.recording import (
    HELD_OUT,
    HELD_OUT_LABELS,
    PUBLIC,
    RecordingOracle,
    describe_record,
    encode_records,
)
from stealproof.errors import EvidenceError
from stealproof.evidence.archive import LARGEST, pack, unpack
from stealproof.evidence.canonical import digest
from stealproof.evidence.envelope import open_envelope, sign
from stealproof.evidence.keys import PrivateKey, PublicKey
from stealproof.evidence.statement import PAYLOAD_TYPE, Statement
from stealproof.oracle import as_array

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SUFFIX = ".verdict"
FORMAT = "stealproof verdict 1"
VERDICT = "https://stealproof.example/verdict/v1"
SPELLED_LIKE_INTEGERS = (2.0**53, 1e21)
"""Floats that canonical JSON writes like integers, which not every reader then reads alike; they are texts here."""
README = """\
A verdict of stealproof.

verdict.dsse.json     what the judge found, signed: a DSSE envelope around an in-toto statement (payload in base64)
judge.pub             the public key to check the signature with
claim.dossier         the accuser's dossier, with its secrets
counter.dossier       the dossier of the suspect's maker, if there was one
answers.safetensors   what suspect and control models were asked (SHA-256) and answered, in order

Recompute it, without the suspect: stealproof judge --replay FILE
"""
ALLOWED = {
    "README.txt": 1 << 20,
    "verdict.dsse.json": 1 << 26,
    "judge.pub": 1 << 20,
    "claim.dossier": LARGEST,
    "counter.dossier": LARGEST,
    "answers.safetensors": LARGEST,
}
FIELDS = {"answers", "controls", "created", "decision", "evidence", "findings", "format", "judge", "suspect", "verdict"}
FIELDS |= {"versions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictFile:
    """A verdict that was signed by ``judge``, and what it rests on."""

    said: Mapping[str, Any]
    """The signed predicate."""
    judge: PublicKey
    dossier: bytes
    counter: bytes
    answers: bytes


def judge_and_sign(
    hearing: Hearing,
    suspect: Party,
    key: PrivateKey,
    *,
    controls: Sequence[Party] = (),
    public: Any = None,
    held_out: HeldOut | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[Judgement, bytes]:
    """What ``judge`` finds, and the file of it, signed with ``key``; the arguments are those of ``judge``."""
    room = (LARGEST - len(hearing.dossier) - len(hearing.counter)) // (1 + len(controls))
    asked = {name: RecordingOracle(party.oracle, room) for name, party in named(suspect, controls).items()}
    parties = [dataclasses.replace(p, oracle=asked[name]) for name, p in named(suspect, controls).items()]
    leaked = None if public is None else _rows_of_claim(hearing, public)
    judgement = judge(hearing, parties[0], controls=parties[1:], public=leaked, held_out=held_out, progress=progress)
    records = {name: oracle.record for name, oracle in asked.items()}
    beside: dict[str, NDArray[Any]] = {} if leaked is None else {PUBLIC: leaked}
    if held_out is not None:
        beside |= {HELD_OUT: held_out.x, HELD_OUT_LABELS: held_out.y}
    answers = encode_records(records, beside)
    parts = {
        name: {
            "name": party.name,
            "digest": party.digest,
            "opened": party.model is not None,
            "answers": describe_record(records[name]),
        }
        for name, party in named(suspect, controls).items()
    }
    from stealproof.inputs._card import versions

    predicate = {
        "format": FORMAT,
        "judge": key.key_id,
        "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **outcome(judgement),
        "evidence": _evidence(hearing),
        "suspect": parts.pop("suspect"),
        "controls": list(parts.values()),
        "answers": digest(answers),
        "versions": versions(),
    }
    about = suspect.digest or hashlib.sha256(suspect.name.encode()).hexdigest()
    statement = Statement(subject={suspect.name: about}, predicate_type=VERDICT, predicate=predicate)
    files = {
        "README.txt": README.encode(),
        "verdict.dsse.json": sign(statement.to_bytes(), key, payload_type=PAYLOAD_TYPE),
        "judge.pub": key.public.to_pem(),
        "claim.dossier": hearing.dossier,
        "counter.dossier": hearing.counter,
        "answers.safetensors": answers,
    }
    return judgement, pack({name: content for name, content in files.items() if content})


def read_verdict(content: bytes, *, expected: PublicKey | None = None, what: str) -> VerdictFile:
    """The verdict in ``content``, after its signature and the digest of everything beside it were checked.

    Args:
        content: a verdict file.
        expected: the key that the judge is known by; None for whichever stands in the file.
        what: the file in words, for messages.

    Raises:
        EvidenceError: no verdict file, another judge, or anything that was changed after the judge signed.
    """
    files = unpack(content, ALLOWED, what=what)
    for name in ALLOWED:
        if name not in files and name != "counter.dossier":
            raise EvidenceError(f"{what} has no {name}; expected a verdict as `stealproof judge --out` writes it")
    if files["README.txt"] != README.encode():
        raise EvidenceError(f"{what} has another README.txt than the one of {FORMAT}; it may be altered")
    key = PublicKey.from_pem(files["judge.pub"], what="judge.pub")
    if expected is not None and expected.key_id != key.key_id:
        raise EvidenceError(
            f"{what} is signed with the key {key.key_id}, expected that of the judge, {expected.key_id}"
        )
    statement = Statement.from_bytes(open_envelope(files["verdict.dsse.json"], [key], payload_type=PAYLOAD_TYPE))
    said = statement.predicate
    if statement.predicate_type != VERDICT or set(said) != FIELDS or said["format"] != FORMAT:
        raise EvidenceError(f"{what} states something else than a verdict of {FORMAT}, which this version reads")
    counter = files.get("counter.dossier", b"")
    try:
        promised = (said["evidence"]["dossier"], said["evidence"]["counter"], said["answers"], said["judge"])
    except (TypeError, KeyError) as error:
        raise EvidenceError(f"{what} does not say what it rests on; expected a verdict of {FORMAT}") from error
    found = (
        digest(files["claim.dossier"]),
        digest(counter) if counter else None,
        digest(files["answers.safetensors"]),
        key.key_id,
    )
    names = ("claim.dossier", "counter.dossier", "answers.safetensors", "judge.pub")
    for name, one, other in zip(names, promised, found, strict=True):
        if one != other:
            raise EvidenceError(f"{what} holds another {name} than the one that the judge signed for")
    return VerdictFile(
        said=said, judge=key, dossier=files["claim.dossier"], counter=counter, answers=files["answers.safetensors"]
    )


def outcome(judgement: Judgement) -> dict[str, Any]:
    """What a judgement says, in the JSON types of a statement."""
    return {
        "decision": str(judgement.decision),
        "findings": [finding.in_json() for finding in judgement.findings],
        "verdict": {name: spelled(value) for name, value in judgement.verdict.in_json().items()},
    }


def spelled(value: Any) -> Any:
    """``value`` with floats that canonical JSON has no place for as texts."""
    if isinstance(value, list):
        return [spelled(item) for item in value]
    least, most = SPELLED_LIKE_INTEGERS
    return repr(value) if isinstance(value, float) and least <= abs(value) < most else value


def named(suspect: Party, controls: Sequence[Party]) -> dict[str, Party]:
    """The parties by the names that their answers are recorded under."""
    return {"suspect": suspect} | {f"control{number}": control for number, control in enumerate(controls)}


def _evidence(hearing: Hearing) -> dict[str, Any]:
    return {
        "dossier": digest(hearing.dossier),
        "counter": digest(hearing.counter) if hearing.counter else None,
        "roots": [root.decode("latin-1") for root in hearing.roots],
        "accuser": hearing.accuser.decode("ascii") if hearing.accuser else None,
        "since": None if hearing.since is None else hearing.since.isoformat(),
        "attempts": hearing.attempts,
        "level": hearing.level,
        "seed": hearing.seed,
        "controls_are": hearing.controls_are,
    }


def _rows_of_claim(hearing: Hearing, public: Any) -> NDArray[np.float32]:
    """Those public inputs that the claim asks: the others change nothing, and may be many."""
    from stealproof.evidence.dossier import Dossier
    from stealproof.inputs.claim import read_claim

    content = Dossier.from_bytes(hearing.dossier, what="the dossier").content
    known = np.ascontiguousarray(as_array(public), dtype=np.float32)
    claimed = read_claim(content, what="the claim in the dossier").secrets.get("inputs")
    asked = set() if claimed is None else {np.asarray(row, dtype=np.float32).tobytes() for row in claimed}
    return known[[number for number, row in enumerate(known) if row.tobytes() in asked]]
