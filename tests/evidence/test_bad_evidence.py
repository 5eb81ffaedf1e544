"""Stored keys, statements and envelopes, each wrong in the one way that its name says, made by ``make_court.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from stealproof.errors import EvidenceError
from stealproof.evidence.envelope import open_envelope
from stealproof.evidence.keys import open_private, open_public
from stealproof.evidence.statement import PAYLOAD_TYPE, Statement

ASSETS = Path(__file__).parents[1] / "assets" / "court"
GOOD = {
    "keys": {"good.key", "good.pub", "good_ecdsa.key", "good_ecdsa.pub", "stranger.key"},
    "statements": {"good.json"},
    "envelopes": {"good.json"},
}
KEYS = {
    "is_private.pub": "is a private key, expected the public one",
    "is_public.key": "is a public key, expected the private one",
    "encrypted.key": "is encrypted; decrypt it first",
    "cut_short.key": "is damaged",
    "cut_short.pub": "is damaged",
    "line_too_many.pub": "not in the form that 'openssl pkey -pubout' writes",
    "lines_end_as_on_windows.pub": "not in the form that 'openssl pkey -pubout' writes",
    "no_pem.pub": "is not a PEM file",
    "certificate.pub": "expected 'PUBLIC KEY'",
    "anybody_can_sign.pub": "anybody can sign under it",
    "other_curve.pub": "found one on secp384r1",
    "rsa.key": "found RSAPublicKey",
}
STATEMENTS = {
    "older_type.json": "_type must be",
    "unknown_field.json": "must be a JSON object of exactly",
    "no_predicate.json": "must be a JSON object of exactly",
    "no_subject.json": "has no subject",
    "subject_twice.json": "must be different texts",
    "subject_unsorted.json": "subjects sorted by name",
    "digest_is_md5.json": "exactly one digest, its sha256",
    "digest_in_capitals.json": "64 lower-case hexadecimal digits",
    "type_is_no_uri.json": "predicateType must be a URI",
    "predicate_is_a_list.json": "predicate must be a JSON object",
    "key_twice.json": "has the key 'n' twice",
    "nan.json": "holds NaN",
    "number_too_large.json": "too large for a double",
    "number_without_one_spelling.json": "no canonical form",
    "integer_too_large.json": r"at most 2\^53 - 1",
    "number_spelled_otherwise.json": "not in its canonical form",
    "nested_deeply.json": "nested deeper than 64",
    "half_a_surrogate.json": "half of a surrogate pair",
    "latin_1.json": "no UTF-8",
    "utf_16.json": "no UTF-8",
    "line_too_many.json": "not in its canonical form",
    "cut_short.json": "no JSON",
}
ENVELOPES = {
    "by_a_stranger.json": "signed it, expected 1300ab57",
    "by_a_stranger_in_my_name.json": "is not that of key",
    "payload_changed.json": "payload, type or signature was changed",
    "signed_as_another_type.json": "payload, type or signature was changed",
    "another_type.json": "payloadType must be",
    "signature_cut.json": "is not that of key",
    "signature_empty.json": "is not that of key",
    "no_signature.json": "exactly one signature",
    "two_signatures.json": "exactly one signature",
    "algorithm_swapped.json": "exactly a keyid and a sig",
    "ed25519_under_an_ecdsa_key.json": "no ECDSA signature",
    "larger_s.json": "not the one with the smaller s",
    "unknown_field.json": "must be a JSON object of exactly",
    "base64_for_urls.json": "payload must be a text in base64",
    "base64_with_spare_bits.json": "payload must be a text in base64",
    "base64_without_padding.json": "payload must be a text in base64",
    "key_twice.json": "has the key 'payload' twice",
    "byte_order_mark.json": "no JSON",
    "pretty.json": "not in canonical JSON",
    "a_list.json": "must be a JSON object",
    "nested_deeply.json": "nested deeper than 64",
    "cut_short.json": "no JSON",
    "empty.json": "no JSON",
}


@pytest.mark.parametrize("name", KEYS)
def test_a_bad_key_is_refused(name: str) -> None:
    with pytest.raises(EvidenceError, match=KEYS[name]) as caught:
        (open_public if name.endswith(".pub") else open_private)(ASSETS / "keys" / name)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_bad_statement_is_refused(name: str) -> None:
    with pytest.raises(EvidenceError, match=STATEMENTS[name]):
        Statement.from_bytes((ASSETS / "statements" / name).read_bytes())


@pytest.mark.parametrize("name", ENVELOPES)
def test_a_bad_envelope_is_refused(name: str) -> None:
    keys = [open_public(ASSETS / "keys" / f"{name}.pub") for name in ("good", "good_ecdsa")]
    with pytest.raises(EvidenceError, match=ENVELOPES[name]):
        open_envelope((ASSETS / "envelopes" / name).read_bytes(), keys, payload_type=PAYLOAD_TYPE)


def test_the_good_ones_beside_them_are_accepted() -> None:
    for name in ("good", "good_ecdsa"):
        assert open_private(ASSETS / "keys" / f"{name}.key").public == open_public(ASSETS / "keys" / f"{name}.pub")
    envelope = (ASSETS / "envelopes" / "good.json").read_bytes()
    payload = open_envelope(envelope, [open_public(ASSETS / "keys" / "good.pub")], payload_type=PAYLOAD_TYPE)
    assert payload == (ASSETS / "statements" / "good.json").read_bytes()
    assert Statement.from_bytes(payload).predicate["n"] == 100


@pytest.mark.parametrize(("folder", "bad"), [("keys", KEYS), ("statements", STATEMENTS), ("envelopes", ENVELOPES)])
def test_no_stored_file_is_forgotten(folder: str, bad: dict[str, str]) -> None:
    assert {path.name for path in (ASSETS / folder).iterdir()} == GOOD[folder] | set(bad)
