"""Dossier: everything that an accuser shows, in one file that a stranger can check and read by hand.

There are two kinds. A *claim* commits to a claim file. A *plan* commits, before a model is marked, to what will be
marked and how; the beacon that is drawn after its timestamp then says which triggers, so that nobody chose them. The
claim that comes of it carries the plan along.

A dossier with the committed content and its salt is *open*: it is for the accuser and the judge. ``closed`` leaves them
out, and what is left may be published.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stealproof.errors import EvidenceError, InputError, MissingData
from stealproof.evidence.archive import LARGEST, pack, unpack
from stealproof.evidence.canonical import digest
from stealproof.evidence.commitment import check_opening, commit
from stealproof.evidence.drand import Round
from stealproof.evidence.envelope import open_envelope, sign
from stealproof.evidence.keys import PrivateKey, PublicKey
from stealproof.evidence.statement import PAYLOAD_TYPE, Statement

SUFFIX = ".dossier"
FORMAT = "stealproof dossier 1"
CLAIM = "https://stealproof.example/claim/v1"
PLAN = "https://stealproof.example/plan/v1"
CONTENTS = {CLAIM: "claim.safetensors", PLAN: "plan.json"}
"""Kind of dossier -> the file of it that is committed to."""
MIB = 1 << 20
ALLOWED = {
    "README.txt": MIB,
    "statement.dsse.json": MIB,
    "accuser.pub": MIB,
    "timestamp.tsr": MIB,
    "round.json": 256,
    "claim.safetensors": 1 << 30,
    "plan.json": MIB,
    "salt": 32,
    "plan.dossier": 8 * MIB,
}
"""Every file that a dossier may have, in this order, and its largest size in bytes."""
README = """\
A dossier of stealproof: a claim to a model, or the plan of one.

statement.dsse.json   what is claimed, signed: a DSSE envelope around an in-toto statement. Its payload (base64) names
                      the SHA-256 of the model, the scheme, its parameters, and a commitment to what is not shown.
accuser.pub           the public key to check the signature with
timestamp.tsr         an RFC 3161 token over statement.dsse.json:
                      openssl ts -verify -in timestamp.tsr -data statement.dsse.json -CAfile ROOT.pem
claim.safetensors     the secrets that are committed to (in a plan: plan.json), and their salt: keep them to yourself
salt                  and the judge. `stealproof claim close` makes a copy without them.
plan.dossier          the plan that came before the model was marked, if there was one

Check everything: stealproof claim verify FILE --tsa-root ROOT.pem
"""
OF_ROUND = """\
round.json            the round of drand that the triggers follow from: SHA-256 of its signature is their beacon
"""
"""Stands in the README of a plan that holds one, and in no other: those are older than rounds are."""
FIELDS = {"format", "scheme", "parameters", "commitment", "accuser", "created", "plan"}
DRAWN = frozenset({"commitment", "beacon"})
"""Parameters that a plan fixes only later, and that would tell the triggers: no statement names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """The files of a dossier; what is missing is empty."""

    envelope: bytes
    accuser: bytes
    """The public key in PEM."""
    kind: str
    """``CLAIM`` or ``PLAN``."""
    token: bytes = b""
    round: bytes = b""
    """The round of drand that the timestamp leads to, of a plan that asks for one."""
    content: bytes = b""
    salt: bytes = b""
    plan: bytes = b""
    """The dossier of the plan, of a claim that follows one."""

    @property
    def opened(self) -> bool:
        """Whether it shows what it commits to."""
        return bool(self.salt)

    def to_bytes(self) -> bytes:
        """The file; equal dossiers are equal bytes."""
        files = {
            "README.txt": _readme(bool(self.round)),
            "statement.dsse.json": self.envelope,
            "accuser.pub": self.accuser,
            "timestamp.tsr": self.token,
            "round.json": self.round,
            CONTENTS[self.kind]: self.content,
            "salt": self.salt,
            "plan.dossier": self.plan,
        }
        return pack({name: files[name] for name in ALLOWED if files.get(name)})

    @classmethod
    def from_bytes(cls, content: bytes, *, what: str) -> Dossier:
        """The inverse of ``to_bytes``; nothing is verified yet but the form.

        Raises:
            EvidenceError: no dossier, or one with a file too many, too few, empty, or altered.
        """
        files = unpack(content, ALLOWED, what=what)
        for name in ("README.txt", "statement.dsse.json", "accuser.pub"):
            if name not in files:
                raise EvidenceError(f"{what} has no {name}; expected a dossier as `stealproof claim new` writes it")
        if files["README.txt"] != _readme("round.json" in files):
            raise EvidenceError(f"{what} has another README.txt than the one of {FORMAT}; it may be altered")
        shown = [kind for kind, name in CONTENTS.items() if name in files]
        if len(shown) != ("salt" in files) or ("plan.dossier" in files and shown != [CLAIM]):
            raise EvidenceError(f"{what} must hold a committed file together with its salt, or neither of them")
        if "round.json" in files:
            if shown != [PLAN] or "timestamp.tsr" not in files:
                raise EvidenceError(f"{what} holds a round of drand; expected one only in an open, timestamped plan")
            Round.from_bytes(files["round.json"], what=f"round.json in {what}")
        if b"" in files.values():
            raise EvidenceError(f"{what} holds an empty file; it may be altered")
        kind = shown[0] if shown else _declared_kind(files["statement.dsse.json"], files["accuser.pub"])
        return cls(
            envelope=files["statement.dsse.json"],
            accuser=files["accuser.pub"],
            kind=kind,
            token=files.get("timestamp.tsr", b""),
            round=files.get("round.json", b""),
            content=files.get(CONTENTS[kind], b""),
            salt=files.get("salt", b""),
            plan=files.get("plan.dossier", b""),
        )

    def closed(self) -> Dossier:
        """A copy that shows no secrets."""
        return dataclasses.replace(self, round=b"", content=b"", salt=b"", plan=b"")

    def stamped(self, token: bytes) -> Dossier:
        """A copy with this timestamp token over the envelope, and without the round that an older one led to."""
        return dataclasses.replace(self, token=token, round=b"")

    def with_round(self, drawn: Round) -> Dossier:
        """A copy with this round of drand."""
        return dataclasses.replace(self, round=drawn.to_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What a dossier's signed statement says."""

    subject: str
    """The model's name."""
    model: str
    """SHA-256 of the model's manifest, as OpenSSF model signing makes it; of a plan: the commitment once more."""
    scheme: str
    parameters: Mapping[str, Any]
    commitment: str
    key_id: str
    created: str
    """The accuser's own clock, which proves nothing."""
    plan: str | None
    """SHA-256 of the plan's dossier."""


def new_dossier(
    content: bytes,
    salt: bytes,
    *,
    kind: str,
    subject: str,
    model: str,
    scheme: str,
    parameters: Mapping[str, Any],
    key: PrivateKey,
    created: datetime.datetime,
    plan: bytes = b"",
) -> Dossier:
    """An open dossier, signed with ``key``; see ``Assertion`` for what is what. It has no timestamp yet."""
    commitment = commit(content, salt)
    predicate = {
        "format": FORMAT,
        "scheme": scheme,
        "parameters": public_parameters(parameters),
        "commitment": commitment,
        "accuser": key.key_id,
        "created": created.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "plan": digest(plan) if plan else None,
    }
    statement = Statement(subject={subject: model or commitment}, predicate_type=kind, predicate=predicate)
    envelope = sign(statement.to_bytes(), key, payload_type=PAYLOAD_TYPE)
    return Dossier(envelope=envelope, accuser=key.public.to_pem(), kind=kind, content=content, salt=salt, plan=plan)


def read_statement(dossier: Dossier, *, what: str) -> Assertion:
    """What is claimed, after the signature was verified with the dossier's own key.

    Raises:
        EvidenceError: the signature, the key or the statement is not what it must be.
    """
    statement = _opened(dossier.envelope, dossier.accuser)
    said = statement.predicate
    if statement.predicate_type != dossier.kind:
        raise EvidenceError(f"{what} is signed as {statement.predicate_type}, but holds the files of {dossier.kind}")
    if set(said) != FIELDS or said["format"] != FORMAT:
        raise EvidenceError(f"{what} states other fields than those of {FORMAT}, which this version reads")
    texts = [said[name] for name in ("scheme", "commitment", "accuser", "created")]
    texts += [] if said["plan"] is None else [said["plan"]]
    if not all(isinstance(text, str) for text in texts) or not isinstance(said["parameters"], dict):
        raise EvidenceError(f"{what} states values of a wrong kind; expected those of {FORMAT}")
    key = PublicKey.from_pem(dossier.accuser)
    if said["accuser"] != key.key_id:
        raise EvidenceError(f"{what} names another key than the one that signed it")
    if len(statement.subject) != 1:
        raise EvidenceError(f"{what} is about {len(statement.subject)} models; expected 1")
    [(subject, model)] = statement.subject.items()
    if not all(text.isprintable() for text in (subject, *texts)):
        # On a terminal they could overwrite what stands beside them.
        raise EvidenceError(f"{what} states names with control characters; expected printable ones")
    return Assertion(
        subject=subject,
        model=model,
        scheme=said["scheme"],
        parameters=said["parameters"],
        commitment=said["commitment"],
        key_id=key.key_id,
        created=said["created"],
        plan=said["plan"],
    )


def check_content(dossier: Dossier, assertion: Assertion, *, what: str) -> None:
    """Raise ``EvidenceError`` unless the dossier is open and shows exactly what it committed to."""
    if not dossier.opened:
        raise EvidenceError(f"{what} is closed: it shows no secrets; ask the accuser for the open one")
    check_opening(assertion.commitment, dossier.content, dossier.salt)
    if (digest(dossier.plan) if dossier.plan else None) != assertion.plan:
        raise EvidenceError(f"{what} holds another plan than the one that its statement names")


def open_dossier(path: Path) -> Dossier:
    """The dossier at ``path``.

    Raises:
        MissingData: nothing is there.
        EvidenceError: it is no dossier.
    """
    return Dossier.from_bytes(read_evidence(path), what=str(path))


def read_evidence(path: Path) -> bytes:
    """The bytes of a file that holds evidence, which is never larger than an archive may be."""
    if not path.is_file():
        raise MissingData(f"there is no file {path}; expected evidence as stealproof writes it")
    try:
        if path.stat().st_size > LARGEST:
            raise EvidenceError(f"{path} has more than {LARGEST:,} bytes, which no dossier and no verdict has")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from error


def public_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """``parameters`` in JSON types, without those that a plan fixes only later and that would tell the triggers."""
    return {name: _in_json(value) for name, value in parameters.items() if name not in DRAWN}


def _readme(of_round: bool) -> bytes:
    """What stands in README.txt."""
    before, claimed, after = README.partition("claim.safetensors ")
    return (before + OF_ROUND * of_round + claimed + after).encode()


def _in_json(value: Any) -> Any:
    return [_in_json(item) for item in value] if isinstance(value, list | tuple) else value


def _opened(envelope: bytes, accuser: bytes) -> Statement:
    return Statement.from_bytes(open_envelope(envelope, [PublicKey.from_pem(accuser)], payload_type=PAYLOAD_TYPE))


def _declared_kind(envelope: bytes, accuser: bytes) -> str:
    kind = _opened(envelope, accuser).predicate_type
    if kind not in CONTENTS:
        raise EvidenceError(f"the statement is of the type {kind!r}; expected one of {', '.join(CONTENTS)}")
    return kind
