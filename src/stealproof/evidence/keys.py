"""Keys that sign claims and verdicts: Ed25519, or ECDSA on the curve P-256 with SHA-256, in PEM files.

A key's id is the SHA-256 of its public half in DER, so that anybody can compute it::

    openssl pkey -pubin -in me.key.pub -outform DER | sha256sum

A public key has one acceptable form, the one that ``openssl pkey -pubout`` writes: a changed byte is never ignored.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from stealproof.errors import EvidenceError, InputError, StorageError
from stealproof.evidence._extra import from_court

with from_court("cryptography"):
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import (
        SECP256R1,
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
        generate_private_key,
    )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Algorithm = Literal["ed25519", "ecdsa-p256"]
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
LARGEST = 1 << 16
"""Bytes of the largest file that is read as a key."""
FIELD = 2**255 - 19
"""Order of the field of Ed25519."""
ORDER_8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
"""The y of a point of order 8."""
WEAK = frozenset({0, 1, FIELD - 1, ORDER_8, FIELD - ORDER_8})
"""The y of every Ed25519 point of small order: under such a key anybody can sign, and its owner deny everything."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What a signature is checked with."""

    key: Ed25519PublicKey | EllipticCurvePublicKey
    algorithm: Algorithm

    @property
    def key_id(self) -> str:
        """SHA-256 of the key as SubjectPublicKeyInfo in DER, in hexadecimal."""
        return hashlib.sha256(self.key.public_bytes(serialization.Encoding.DER, SPKI)).hexdigest()

    def to_pem(self) -> bytes:
        """The key as SubjectPublicKeyInfo in PEM, its one acceptable form."""
        return self.key.public_bytes(serialization.Encoding.PEM, SPKI)

    @classmethod
    def from_pem(cls, content: bytes, *, what: str = "the public key") -> PublicKey:
        """The key that ``content`` holds.

        Raises:
            EvidenceError: no public key, a private one, of another algorithm, weak, or in another form.
        """
        label = _label(content, what)
        if "PRIVATE" in label:
            raise EvidenceError(f"{what} is a private key, expected the public one (.pub); keep the private one secret")
        if label != "PUBLIC KEY":
            raise EvidenceError(f"{what} is a PEM file of {label!r}, expected 'PUBLIC KEY'")
        try:
            key = serialization.load_pem_public_key(content)
        except (ValueError, UnsupportedAlgorithm):
            raise EvidenceError(f"{what} is damaged: no public key can be read from it") from None
        if isinstance(key, Ed25519PublicKey):
            _check_order(key, what)
        public = _public(key, what)
        if public.to_pem() != content:
            raise EvidenceError(f"{what} is not in the form that 'openssl pkey -pubout' writes; make it anew with that")
        return public


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """What signs. It never shows its secret half."""

    secret: Ed25519PrivateKey | EllipticCurvePrivateKey = field(repr=False)
    public: PublicKey

    @property
    def key_id(self) -> str:
        """The id of the public half."""
        return self.public.key_id


def new_key(path: str | os.PathLike[str], *, algorithm: Algorithm = "ed25519") -> None:
    """Make a key: the private half at ``path``, for its owner's eyes only, the public half beside it in ``path.pub``.

    Raises:
        InputError: an unknown algorithm, or one of the two files is there already.
        StorageError: a file could not be written; then neither is there.
    """
    secret: Ed25519PrivateKey | EllipticCurvePrivateKey
    if algorithm == "ed25519":
        secret = Ed25519PrivateKey.generate()
    elif algorithm == "ecdsa-p256":
        secret = generate_private_key(SECP256R1())
    else:
        raise InputError(f"expected the algorithm ed25519 or ecdsa-p256, got {algorithm!r}")
    private_path = Path(path)
    if not private_path.name:
        raise InputError("expected the name of a file to make, got none")
    public_path = private_path.with_name(f"{private_path.name}.pub")
    private = secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_new(public_path, _public(secret.public_key(), "the new key").to_pem(), mode=0o644)
    try:
        _write_new(private_path, private, mode=0o600)
    except BaseException:
        public_path.unlink()
        raise


def open_private(path: str | os.PathLike[str]) -> PrivateKey:
    """The private key in this PEM file, which must not be encrypted.

    Raises:
        InputError: the file cannot be read.
        EvidenceError: no private key, a public one, an encrypted one, or one of another algorithm.
    """
    what = f"the key {os.fspath(path)}"
    content = _read(path, what)
    if _label(content, what) == "PUBLIC KEY":
        raise EvidenceError(f"{what} is a public key, expected the private one that belongs to it")
    try:
        secret = serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise EvidenceError(f"{what} is encrypted; decrypt it first: openssl pkey -in OLD -out NEW") from None
    # What the library found wrong is left out: its words could quote what is secret.
    except (ValueError, UnsupportedAlgorithm):
        raise EvidenceError(f"{what} is damaged: no private key can be read from it") from None
    public = _public(secret.public_key(), what)
    return PrivateKey(cast("Ed25519PrivateKey | EllipticCurvePrivateKey", secret), public)


def open_public(path: str | os.PathLike[str]) -> PublicKey:
    """The public key in this PEM file.

    Raises:
        InputError: the file cannot be read.
        EvidenceError: what ``PublicKey.from_pem`` refuses.
    """
    what = f"the key {os.fspath(path)}"
    return PublicKey.from_pem(_read(path, what), what=what)


def _public(key: object, what: str) -> PublicKey:
    algorithm: Algorithm
    if isinstance(key, Ed25519PublicKey):
        algorithm = "ed25519"
    elif isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        algorithm = "ecdsa-p256"
    else:
        found = f"one on {key.curve.name}" if isinstance(key, EllipticCurvePublicKey) else type(key).__name__
        raise EvidenceError(f"{what} must be an ed25519 or ecdsa-p256 key, found {found}; make one with new_key")
    return PublicKey(key, algorithm)


def _check_order(key: Ed25519PublicKey, what: str) -> None:
    """Refuse a point of small order, however it is encoded."""
    y = int.from_bytes(key.public_bytes_raw(), "little") & ((1 << 255) - 1)
    if y % FIELD in WEAK:
        raise EvidenceError(f"{what} is weak: anybody can sign under it, so it names nobody")


def _label(content: bytes, what: str) -> str:
    """The label of a PEM file's first block."""
    found = re.match(rb"\s*-----BEGIN ([A-Z0-9 ]{1,40})-----", content)
    if found is None:
        raise EvidenceError(f"{what} is not a PEM file: it must begin with -----BEGIN")
    return found[1].decode("ascii")


def _read(path: str | os.PathLike[str], what: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"could not read {what}: {error.strerror or error}") from error
    if len(content) > LARGEST:
        raise EvidenceError(f"{what} is larger than {LARGEST} bytes, so it is no key")
    return content


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file that must not be there yet, whole or not at all."""
    temporary: str | None = None
    try:
        # mkstemp makes files private; a link, unlike a rename, never replaces what somebody else has put there.
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.link(temporary, path)
    except FileExistsError as error:
        raise InputError(f"{path} is there already and is never overwritten; choose another name") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"could not write {path}: {reason}; nothing was changed, choose another folder") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
