"""Salted commitments: a number to publish today about content that is shown later, and that can't be exchanged then.

The commitment is ``SHA-256(F(TAG) F(salt) F(content))`` in hexadecimal, where ``F(x)`` is the length of x in 8 bytes,
big-endian, followed by x. The salt keeps content that could be guessed from being tried out.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from stealproof.errors import EvidenceError, InputError

TAG = b"stealproof commitment 1"
"""Separates commitments from every other use of SHA-256."""
SALT = 32
"""Bytes."""
HEXADECIMAL = re.compile("[0-9a-f]{64}")


def new_salt() -> bytes:
    """32 bytes that nobody can guess; keep them with the content until both are shown."""
    return secrets.token_bytes(SALT)


def commit(content: bytes, salt: bytes) -> str:
    """The commitment to ``content``: 64 hexadecimal digits.

    Raises:
        InputError: a salt of another length than 32 bytes.
    """
    if len(salt) != SALT:
        raise InputError(f"a salt has {SALT} bytes, got {len(salt)}; take one from new_salt()")
    hashed = hashlib.sha256()
    for part in (TAG, salt, content):
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.hexdigest()


def check_opening(commitment: str, content: bytes, salt: bytes) -> None:
    """Accept ``content`` and ``salt`` as what ``commitment`` was made of.

    Raises:
        EvidenceError: they are not, or this is no commitment or no salt.
    """
    if HEXADECIMAL.fullmatch(commitment) is None:
        raise EvidenceError(f"a commitment is 64 small hexadecimal digits, got {commitment[:80]!a}")
    if len(salt) != SALT:
        raise EvidenceError(f"the salt of a commitment has {SALT} bytes, got {len(salt)}")
    found = commit(content, salt)
    if found != commitment:
        raise EvidenceError(
            f"what was opened has the commitment {found}, not {commitment}; it is not what was promised"
        )
