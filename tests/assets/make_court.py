"""Make the keys, statements and envelopes of ``court/``, each wrong in the one way that its name says.

Run it in this folder after a change: ``python make_court.py``. The tests read the stored files, so that a newer library
can't quietly make them good. The keys are nobody's: they come from small numbers.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from stealproof.evidence.canonical import canonical
from stealproof.evidence.envelope import P256_ORDER, sign
from stealproof.evidence.keys import open_private
from stealproof.evidence.statement import PAYLOAD_TYPE, TYPE, Statement

HERE = Path(__file__).parent / "court"
DIGEST = "ab" * 32
OWNER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\1")
STRANGER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\2")
CURVE = ec.derive_private_key(1, ec.SECP256R1())
STATEMENT = Statement(
    subject={"a": DIGEST, "b": DIGEST}, predicate_type="urn:example:claim:1", predicate={"n": 100, "of": 9}
)


def main() -> None:
    """Write every file."""
    keys()
    statements()
    envelopes()


def keys() -> None:
    """Keys in PEM: ``.pub`` are opened as public, ``.key`` as private ones."""
    good = public(OWNER.public_key())
    write("keys", "good.key", private(OWNER))
    write("keys", "good.pub", good)
    write("keys", "good_ecdsa.key", private(CURVE))
    write("keys", "good_ecdsa.pub", public(CURVE.public_key()))
    write("keys", "stranger.key", private(STRANGER))
    write("keys", "is_private.pub", private(OWNER))
    write("keys", "is_public.key", good)
    write("keys", "encrypted.key", private(OWNER, BestAvailableEncryption(b"secret")))
    write("keys", "cut_short.key", private(OWNER)[:60])
    write("keys", "cut_short.pub", good[:60])
    write("keys", "line_too_many.pub", good + b"\n")
    write("keys", "lines_end_as_on_windows.pub", good.replace(b"\n", b"\r\n"))
    write("keys", "no_pem.pub", b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== me\n")
    write("keys", "certificate.pub", good.replace(b"PUBLIC KEY", b"CERTIFICATE"))
    write("keys", "anybody_can_sign.pub", public(ed25519.Ed25519PublicKey.from_public_bytes(b"\1" + bytes(31))))
    write("keys", "other_curve.pub", public(ec.derive_private_key(1, ec.SECP384R1()).public_key()))
    write("keys", "rsa.key", private(rsa.generate_private_key(public_exponent=65537, key_size=2048)))


def statements() -> None:
    """Statements that nobody signed."""
    good = STATEMENT.to_bytes()
    entry = {"digest": {"sha256": DIGEST}, "name": "a"}
    write("statements", "good.json", good)
    write("statements", "older_type.json", changed(good, _type=TYPE.replace("v1", "v0.1")))
    write("statements", "unknown_field.json", changed(good, critical=["new"]))
    write("statements", "no_predicate.json", changed(good, predicate=None))
    write("statements", "no_subject.json", changed(good, subject=[]))
    write("statements", "subject_twice.json", changed(good, subject=[entry, entry]))
    write("statements", "subject_unsorted.json", changed(good, subject=[{**entry, "name": "b"}, entry]))
    write("statements", "digest_is_md5.json", changed(good, subject=[{**entry, "digest": {"md5": DIGEST[:32]}}]))
    write("statements", "digest_in_capitals.json", changed(good, subject=[{**entry, "digest": {"sha256": "AB" * 32}}]))
    write("statements", "type_is_no_uri.json", changed(good, predicateType="claim"))
    write("statements", "predicate_is_a_list.json", changed(good, predicate=[1]))
    write("statements", "key_twice.json", good.replace(b'"n":100', b'"n":100,"n":5'))
    write("statements", "nan.json", good.replace(b"100", b"NaN"))
    write("statements", "number_too_large.json", good.replace(b"100", b"1e999"))
    write("statements", "number_without_one_spelling.json", good.replace(b"100", b"1e20"))
    write("statements", "integer_too_large.json", good.replace(b"100", b"9007199254740993"))
    write("statements", "number_spelled_otherwise.json", good.replace(b"100", b"1e2"))
    write("statements", "nested_deeply.json", good.replace(b"100", b"[" * 5000 + b"]" * 5000))
    write("statements", "half_a_surrogate.json", good.replace(b"100", b'"\\ud800"'))
    write("statements", "latin_1.json", good.replace(b"100", b'"\xe9"'))
    write("statements", "utf_16.json", good.decode().encode("utf-16"))
    write("statements", "line_too_many.json", good + b"\n")
    write("statements", "cut_short.json", good[:-10])


def envelopes() -> None:
    """Envelopes around the good statement."""
    owner, stranger, curve = (
        open_private(HERE / "keys" / f"{name}.key") for name in ("good", "stranger", "good_ecdsa")
    )
    payload = STATEMENT.to_bytes()
    good = sign(payload, owner, payload_type=PAYLOAD_TYPE)
    entry = json.loads(good)["signatures"][0]
    theirs = json.loads(sign(payload, stranger, payload_type=PAYLOAD_TYPE))["signatures"][0]
    elsewhere = json.loads(sign(payload, owner, payload_type="application/json"))["signatures"]
    text = base64.b64encode(payload).decode()
    write("envelopes", "good.json", good)
    write("envelopes", "by_a_stranger.json", changed(good, signatures=[theirs]))
    write("envelopes", "by_a_stranger_in_my_name.json", changed(good, signatures=[{**theirs, "keyid": owner.key_id}]))
    write("envelopes", "payload_changed.json", changed(good, payload=encoded(payload.replace(b"100", b"101"))))
    write("envelopes", "signed_as_another_type.json", changed(good, signatures=elsewhere))
    write("envelopes", "another_type.json", changed(good, payloadType="application/json"))
    write("envelopes", "signature_cut.json", changed(good, signatures=[{**entry, "sig": encoded(decoded(entry)[:-1])}]))
    write("envelopes", "signature_empty.json", changed(good, signatures=[{**entry, "sig": ""}]))
    write("envelopes", "no_signature.json", changed(good, signatures=[]))
    write("envelopes", "two_signatures.json", changed(good, signatures=[entry, theirs]))
    write("envelopes", "algorithm_swapped.json", changed(good, signatures=[{**entry, "alg": "none"}]))
    write("envelopes", "ed25519_under_an_ecdsa_key.json", changed(good, signatures=[{**entry, "keyid": curve.key_id}]))
    write("envelopes", "larger_s.json", larger_s(payload, curve.key_id))
    write("envelopes", "unknown_field.json", changed(good, critical=["new"]))
    write("envelopes", "base64_for_urls.json", changed(good, payload="_" + text[1:]))
    write("envelopes", "base64_with_spare_bits.json", changed(good, payload=spare_bits(text)))
    write("envelopes", "base64_without_padding.json", changed(good, payload=text.rstrip("=")))
    write("envelopes", "key_twice.json", good.replace(b'{"payload":', b'{"payload":"QQ==","payload":', 1))
    write("envelopes", "byte_order_mark.json", b"\xef\xbb\xbf" + good)
    write("envelopes", "pretty.json", json.dumps(json.loads(good), indent=2).encode())
    write("envelopes", "a_list.json", b"[" + good + b"]")
    write("envelopes", "nested_deeply.json", b"[" * 100_000)
    write("envelopes", "cut_short.json", good[: len(good) // 2])
    write("envelopes", "empty.json", b"")


def larger_s(payload: bytes, key_id: str) -> bytes:
    """An envelope whose ECDSA signature holds, but is the one of two that is not accepted."""
    kind = PAYLOAD_TYPE.encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    r, s = decode_dss_signature(CURVE.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)))
    signature = encode_dss_signature(r, max(s, P256_ORDER - s))
    entry = {"keyid": key_id, "sig": encoded(signature)}
    return canonical({"payload": encoded(payload), "payloadType": PAYLOAD_TYPE, "signatures": [entry]})


def spare_bits(text: str) -> str:
    """Another text in base64 that lax readers decode to the same bytes."""
    body = text.rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + text[len(body) :]


def changed(good: bytes, **fields: Any) -> bytes:
    """The JSON object with other fields, in canonical form; a field that is None is left out."""
    value = {**json.loads(good), **fields}
    return canonical({name: field for name, field in value.items() if field is not None})


def encoded(content: bytes) -> str:
    """Base64."""
    return base64.b64encode(content).decode()


def decoded(entry: dict[str, str]) -> bytes:
    """The signature of an entry."""
    return base64.b64decode(entry["sig"])


def private(key: Any, how: Any = None) -> bytes:
    """A private key in PEM."""
    content: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how or NoEncryption())
    return content


def public(key: Any) -> bytes:
    """A public key in PEM."""
    content: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return content


def write(folder: str, name: str, content: bytes) -> None:
    """Write one file."""
    path = HERE / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main()
