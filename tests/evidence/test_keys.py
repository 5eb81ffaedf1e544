from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from stealproof.errors import EvidenceError, InputError, MissingExtra, StorageError
from stealproof.evidence._extra import from_court
from stealproof.evidence.keys import WEAK, Algorithm, PublicKey, new_key, open_private, open_public

ALGORITHMS: list[Algorithm] = ["ed25519", "ecdsa-p256"]
IDENTITY = b"\1" + bytes(31)
"""The neutral point of Ed25519, whose order is 1."""


def pem(key: Any, *, password: bytes | None = None, old: bool = False) -> bytes:
    kind = serialization.PrivateFormat.TraditionalOpenSSL if old else serialization.PrivateFormat.PKCS8
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    content: bytes = key.private_bytes(serialization.Encoding.PEM, kind, how)
    return content


def public_pem(key: Any) -> bytes:
    content: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return content


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_new_key_can_be_opened_by_its_owner_alone(tmp_path: Path, algorithm: Algorithm) -> None:
    path = tmp_path / "me.key"
    new_key(path, algorithm=algorithm)
    private, public = open_private(path), open_public(tmp_path / "me.key.pub")
    assert private.public == public
    assert private.key_id == public.key_id
    assert public.algorithm == algorithm
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "me.key.pub").stat().st_mode) == 0o644
    assert sorted(file.name for file in tmp_path.iterdir()) == ["me.key", "me.key.pub"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_id_is_what_openssl_and_sha256sum_say(tmp_path: Path, algorithm: Algorithm) -> None:
    new_key(tmp_path / "me.key", algorithm=algorithm)
    command = ["openssl", "pkey", "-pubin", "-in", str(tmp_path / "me.key.pub"), "-outform", "DER"]
    der = subprocess.run(command, check=True, capture_output=True).stdout
    assert open_private(tmp_path / "me.key").key_id == hashlib.sha256(der).hexdigest()


def test_two_new_keys_differ(tmp_path: Path) -> None:
    new_key(tmp_path / "a")
    new_key(tmp_path / "b")
    assert open_private(tmp_path / "a").key_id != open_private(tmp_path / "b").key_id


@pytest.mark.parametrize("there", ["me.key", "me.key.pub"])
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_bytes(b"dear")
    with pytest.raises(InputError, match="is there already"):
        new_key(tmp_path / "me.key")
    assert [file.name for file in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_bytes() == b"dear"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="could not write"):
        new_key(tmp_path / "nowhere" / "me.key")


def test_nothing_is_left_when_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match="No space left"):
        new_key(tmp_path / "me.key")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_algorithm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ed25519 or ecdsa-p256"):
        new_key(tmp_path / "me.key", algorithm="rsa")  # type: ignore[arg-type]


def test_a_key_needs_a_name() -> None:
    with pytest.raises(InputError, match="expected the name of a file"):
        new_key("")


def test_the_secret_is_not_shown(tmp_path: Path) -> None:
    new_key(tmp_path / "me.key")
    private = open_private(tmp_path / "me.key")
    assert "secret" not in repr(private)
    assert "PRIVATE" not in repr(private)


def test_private_and_public_are_not_mixed_up(tmp_path: Path) -> None:
    new_key(tmp_path / "me.key")
    with pytest.raises(EvidenceError, match="is a public key, expected the private one"):
        open_private(tmp_path / "me.key.pub")
    with pytest.raises(EvidenceError, match="is a private key, expected the public one"):
        open_public(tmp_path / "me.key")


def test_a_key_in_openssls_older_form_is_read(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "old.key").write_bytes(pem(key, old=True))
    assert open_private(tmp_path / "old.key").public.to_pem() == public_pem(key.public_key())


@pytest.mark.parametrize("old", [False, True])
def test_an_encrypted_key_says_how_to_decrypt_it(tmp_path: Path, old: bool) -> None:
    (tmp_path / "me.key").write_bytes(pem(ec.generate_private_key(ec.SECP256R1()), password=b"secret", old=old))
    with pytest.raises(EvidenceError, match="encrypted; decrypt it first: openssl pkey"):
        open_private(tmp_path / "me.key")


def test_other_algorithms_are_refused(tmp_path: Path) -> None:
    (tmp_path / "curve.key").write_bytes(pem(ec.generate_private_key(ec.SECP384R1())))
    with pytest.raises(EvidenceError, match="found one on secp384r1"):
        open_private(tmp_path / "curve.key")
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(EvidenceError, match="found RSAPublicKey"):
        PublicKey.from_pem(public_pem(key.public_key()))


def test_a_damaged_key_is_refused_without_quoting_it(tmp_path: Path) -> None:
    new_key(tmp_path / "me.key")
    content = (tmp_path / "me.key").read_bytes()
    (tmp_path / "cut.key").write_bytes(content[:60])
    with pytest.raises(EvidenceError, match="damaged") as caught:
        open_private(tmp_path / "cut.key")
    assert content.split(b"\n")[1][:20].decode() not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"hello")
    (tmp_path / "large").write_bytes(b"\n" * 70_000)
    with pytest.raises(EvidenceError, match="not a PEM file"):
        open_public(tmp_path / "text")
    with pytest.raises(EvidenceError, match="so it is no key"):
        open_private(tmp_path / "large")
    with pytest.raises(InputError, match="could not read"):
        open_public(tmp_path / "nowhere")
    with pytest.raises(EvidenceError, match="expected 'PUBLIC KEY'"):
        PublicKey.from_pem(b"-----BEGIN CERTIFICATE-----\n")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_changed_byte_of_a_public_key_is_ignored(tmp_path: Path, algorithm: Algorithm) -> None:
    new_key(tmp_path / "me.key", algorithm=algorithm)
    key = open_public(tmp_path / "me.key.pub")
    content = key.to_pem()
    for changed in [content + b"\n", b"\n" + content, content.replace(b"\n", b"\r\n"), content[:-1]]:
        with pytest.raises(EvidenceError, match="is not in the form"):
            PublicKey.from_pem(changed)
    for place in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            try:
                other = PublicKey.from_pem(bytes(flipped))
            except EvidenceError:
                continue
            assert other.key_id != key.key_id


@pytest.mark.parametrize("y", sorted(WEAK))
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_a_key_of_small_order_is_refused(y: int, sign: int) -> None:
    key = ed25519.Ed25519PublicKey.from_public_bytes((y | sign).to_bytes(32, "little"))
    with pytest.raises(EvidenceError, match="anybody can sign under it"):
        PublicKey.from_pem(public_pem(key))


def test_under_a_key_of_small_order_a_signature_that_nobody_made_holds_for_every_message() -> None:
    weak = ed25519.Ed25519PublicKey.from_public_bytes(IDENTITY)
    weak.verify(IDENTITY + bytes(32), b"this model is mine")
    weak.verify(IDENTITY + bytes(32), b"this model is not mine")
    with pytest.raises(EvidenceError, match="it names nobody"):
        PublicKey.from_pem(public_pem(weak))


def test_a_missing_library_says_how_to_install_it() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'stealproof\[court\]'"), from_court("no_such_library"):
        import no_such_library  # type: ignore[import-not-found]  # noqa: F401


def test_without_the_extra_the_module_says_how_to_install_it() -> None:
    script = "import sys; sys.modules['cryptography'] = None; import stealproof.evidence.keys"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "cryptography is not installed; install it with: pip install 'stealproof[court]'" in result.stderr
