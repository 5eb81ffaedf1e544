"""A statement about files: an in-toto Statement v1 in canonical JSON, so that equal statements are equal bytes.

See https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.canonical import canonical, parse

TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""What an envelope calls its payload when that is a statement."""
FIELDS = {"_type", "predicate", "predicateType", "subject"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Something said (the predicate) about something else that its SHA-256 names (the subject)."""

    subject: Mapping[str, str]
    """SHA-256 in hexadecimal by name; at least one."""
    predicate_type: str
    """The URI that says how the predicate is to be understood."""
    predicate: Mapping[str, Any] = field(default_factory=dict)
    """Whatever JSON can hold."""

    def __post_init__(self) -> None:
        """Refuse what in-toto does not allow.

        Raises:
            EvidenceError: a sentence that says what is wrong.
        """
        if not self.subject:
            raise EvidenceError("the statement has no subject, expected at least one name with its sha256")
        for name, digest in self.subject.items():
            if not isinstance(name, str) or not name:
                raise EvidenceError(f"a subject of the statement must have a name, got {name!r}")
            if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
                raise EvidenceError(f"the sha256 of subject {name!r} must be 64 lower-case hexadecimal digits")
        if not isinstance(self.predicate_type, str) or not re.fullmatch(
            r"[a-z][a-z0-9+.-]*:[!-~]+", self.predicate_type
        ):
            raise EvidenceError(f"the statement's predicateType must be a URI, got {self.predicate_type!r:.100}")
        if not isinstance(self.predicate, Mapping):
            raise EvidenceError("the statement's predicate must be a JSON object")

    def to_bytes(self) -> bytes:
        """The statement in canonical JSON, its subjects in the order of their names."""
        return canonical(
            {
                "_type": TYPE,
                "predicate": dict(self.predicate),
                "predicateType": self.predicate_type,
                "subject": [{"digest": {"sha256": self.subject[name]}, "name": name} for name in sorted(self.subject)],
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Statement:
        """The statement that ``to_bytes`` wrote.

        Raises:
            EvidenceError: anything else, be it a space more: a statement has one form in bytes.
        """
        value = parse(content, what="the statement")
        if not isinstance(value, dict) or set(value) != FIELDS:
            raise EvidenceError(f"the statement must be a JSON object of exactly {', '.join(sorted(FIELDS))}")
        if value["_type"] != TYPE:
            raise EvidenceError(f"the statement's _type must be {TYPE}, got {value['_type']!r:.100}")
        statement = cls(
            subject=_subject(value["subject"]),
            predicate_type=value["predicateType"],
            predicate=value["predicate"],
        )
        try:
            again = statement.to_bytes()
        except InputError as error:
            raise EvidenceError(f"the statement holds what has no canonical form: {error}") from error
        if again != content:
            raise EvidenceError("the statement is not in its canonical form (RFC 8785, subjects sorted by name)")
        return statement


def _subject(entries: object) -> dict[str, str]:
    if not isinstance(entries, list):
        raise EvidenceError("the statement's subject must be a list")
    subject: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"digest", "name"}:
            raise EvidenceError("each subject of the statement must have exactly a digest and a name")
        name, digest = entry["name"], entry["digest"]
        if not isinstance(digest, dict) or set(digest) != {"sha256"}:
            raise EvidenceError("each subject of the statement must have exactly one digest, its sha256")
        if not isinstance(name, str) or name in subject:
            raise EvidenceError("the names of the statement's subjects must be different texts")
        subject[name] = digest["sha256"]
    return subject
