from __future__ import annotations

import dataclasses
import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import decode_timestamp_response

from stealproof.errors import EvidenceError, InputError
from stealproof.evidence._der import encode, nodes
from stealproof.evidence._token import (
    SIGNING_CERTIFICATE,
    SIGNING_CERTIFICATE_V2,
    check_signing_certificate,
    read_token,
)
from stealproof.evidence.timestamp import check_token, make_request, request_token, stated_time

CONTENT = b"a claim's commitment"
SAME = b"the same content, asked for twice"
"""What the server's ``/other-nonce`` answers for."""
PAST = (datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))


def test_a_token_from_the_server_says_when_and_by_whom(tsa: Any) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    token = request_token(tsa.url, CONTENT, timeout=30)
    stamp = check_token(token, CONTENT, roots=tsa.roots)
    assert before <= stamp.time <= datetime.now(UTC)
    assert stamp.authority == "CN=timestamps of the tests"
    assert len(stamp.digest) == 64
    again = check_token(request_token(tsa.url, CONTENT, timeout=30), CONTENT, roots=tsa.roots)
    assert again.serial > stamp.serial
    assert again.digest == stamp.digest


def test_a_request_of_ours_is_answered_by_openssl_and_its_nonce_is_checked(tsa: Any) -> None:
    request = make_request(CONTENT)
    assert request != make_request(CONTENT)
    token = tsa.signer.reply(request)
    nonce = decode_timestamp_response(read_token(token).answer).tst_info.nonce
    assert check_token(token, CONTENT, roots=tsa.roots, nonce=nonce).serial
    with pytest.raises(EvidenceError, match="answers another request"):
        check_token(token, CONTENT, roots=tsa.roots, nonce=nonce + 1)


def test_any_of_the_roots_will_do_and_one_file_may_hold_several(tsa: Any) -> None:
    token = tsa.stamp(CONTENT)
    other = tsa.authority("another root", ca=True)
    expected = check_token(token, CONTENT, roots=tsa.roots)
    assert check_token(token, CONTENT, roots=[other.pem, tsa.root.pem]) == expected
    assert check_token(token, CONTENT, roots=[other.pem + tsa.root.pem]) == expected


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)])
def test_authorities_sign_with_other_keys_too(tsa: Any, key: Any) -> None:
    token = tsa.authority("other key", key=key).stamp(CONTENT)
    assert check_token(token, CONTENT, roots=tsa.roots).authority == "CN=other key"


def test_a_certificate_that_expired_since_takes_nothing_back(tsa: Any) -> None:
    expired = tsa.authority("expired", valid=PAST)
    moment = datetime(2019, 6, 1, 12, 30, tzinfo=UTC)
    assert check_token(expired.forge(CONTENT, moment), CONTENT, roots=tsa.roots).time == moment


@pytest.mark.parametrize("days", [-200, 600])
def test_a_token_dated_outside_of_its_certificate_is_refused(tsa: Any, days: int) -> None:
    expired = tsa.authority("expired", valid=PAST)
    with pytest.raises(EvidenceError, match="it was from 2019-01-01 00:00:00 to 2020-01-01 00:00:00"):
        check_token(expired.forge(CONTENT, PAST[0] + timedelta(days=days)), CONTENT, roots=tsa.roots)


def test_a_token_older_than_the_certificate_above_it_is_refused(tsa: Any) -> None:
    late = tsa.authority("late", ca=True, valid=(datetime(2019, 9, 1, tzinfo=UTC), PAST[1]))
    below = tsa.authority("below", late, valid=PAST)
    with pytest.raises(EvidenceError, match="not yet valid"):
        check_token(below.forge(CONTENT, datetime(2019, 6, 1, tzinfo=UTC)), CONTENT, roots=tsa.roots)


def test_a_token_about_other_content_is_refused(tsa: Any) -> None:
    with pytest.raises(EvidenceError, match="about other content"):
        check_token(tsa.stamp(b"something else"), CONTENT, roots=tsa.roots)


def test_a_root_of_the_same_name_and_an_authority_of_its_own_are_not_trusted(tsa: Any) -> None:
    namesake = tsa.authority(tsa.root.certificate.subject.rfc4514_string()[3:], ca=True)
    for roots in ([namesake.pem], [tsa.authority("another root", ca=True).pem]):
        with pytest.raises(EvidenceError, match="not by an authority that is trusted here"):
            check_token(tsa.stamp(CONTENT), CONTENT, roots=roots)


@pytest.mark.parametrize("usages", [(), (ExtendedKeyUsageOID.SERVER_AUTH,)])
def test_a_certificate_for_something_else_signs_no_time(tsa: Any, usages: tuple[x509.ObjectIdentifier, ...]) -> None:
    server = tsa.authority("web server", usages=usages)
    with pytest.raises(EvidenceError, match="unsuitable certificate purpose"):
        check_token(server.forge(CONTENT, datetime.now(UTC)), CONTENT, roots=tsa.roots)


def test_an_authority_can_not_appoint_others(tsa: Any) -> None:
    appointed = tsa.authority("appointed", tsa.signer)
    with pytest.raises(EvidenceError, match="not by an authority that is trusted here: invalid CA certificate"):
        check_token(appointed.forge(CONTENT, datetime.now(UTC)), CONTENT, roots=tsa.roots)


def test_fractions_of_a_second_are_dropped(tsa: Any) -> None:
    precise = tsa.authority("precise")
    config = precise.folder / "tsa.cnf"
    config.write_text(config.read_text() + "clock_precision_digits = 3\n")
    token = precise.stamp(CONTENT)
    (said,) = re.findall(rb"(\d{14})[.\d]*Z", read_token(token).info)
    assert check_token(token, CONTENT, roots=tsa.roots).time.strftime("%Y%m%d%H%M%S") == said.decode()


def test_weak_hash_functions_are_refused_in_the_digest_and_in_the_signature(tsa: Any) -> None:
    with pytest.raises(EvidenceError, match="a digest by sha1; expected one by sha256"):
        check_token(tsa.signer.reply(tsa.signer.query(CONTENT, "-sha1")), CONTENT, roots=tsa.roots)
    forged = tsa.signer.forge(CONTENT, datetime.now(UTC), digest="sha1")
    with pytest.raises(EvidenceError, match="not one of sha256, sha384, sha512"):
        check_token(forged, CONTENT, roots=tsa.roots)


def test_the_signed_part_must_name_the_certificate(tsa: Any) -> None:
    now = datetime.now(UTC)
    with pytest.raises(EvidenceError, match="does not say in its signed part which certificate"):
        check_token(tsa.signer.forge(CONTENT, now, cades=False), CONTENT, roots=tsa.roots)
    assert check_token(tsa.signer.forge(CONTENT, now, digest="sha512"), CONTENT, roots=tsa.roots)


def test_a_token_is_not_passed_off_under_another_certificate_of_its_key(tsa: Any) -> None:
    first, second = tsa.authority("mine"), tsa.authority("mine")
    renewed = tsa.authority("mine", key=first.key)
    # Only the certificate that stands beside the signature is exchanged: the signature still matches.
    token = first.stamp(CONTENT)
    swapped = tsa.passed_off(token, first, renewed)
    with pytest.raises(EvidenceError, match="made with another certificate than the one that it now carries"):
        check_token(swapped, CONTENT, roots=tsa.roots)
    stranger = tsa.passed_off(token, first, second)
    with pytest.raises(EvidenceError, match="its signature does not match"):
        check_token(stranger, CONTENT, roots=tsa.roots)


def test_two_certificates_of_the_signer_s_name_are_refused_and_none_too(tsa: Any) -> None:
    signer = tsa.authority("twice")
    token = signer.stamp(CONTENT)
    der = signer.certificate.public_bytes(Encoding.DER)
    with pytest.raises(EvidenceError, match="holds 2 certificates of its signer, expected 1"):
        check_token(tsa.altered(token, {der: der + der}), CONTENT, roots=tsa.roots)
    other = tsa.root.certificate.public_bytes(Encoding.DER)
    with pytest.raises(EvidenceError, match="holds 0 certificates of its signer, expected 1"):
        check_token(tsa.altered(token, {der: other}), CONTENT, roots=tsa.roots)


def test_a_token_without_its_signer_s_certificate_is_refused(tsa: Any) -> None:
    query = tsa.signer.query(CONTENT, "-sha256")
    asks_for_it = bytes.fromhex("0101ff")
    assert query.endswith(asks_for_it)
    token = tsa.signer.reply(encode(0x30, query[2:].removesuffix(asks_for_it)))
    with pytest.raises(EvidenceError, match="came without its signer's certificate"):
        check_token(token, CONTENT, roots=tsa.roots)


@pytest.mark.parametrize("name", ["sha256", "sha512", "sha1"])
def test_each_way_to_name_the_certificate_is_understood(tsa: Any, name: str) -> None:
    """By SHA-256 without saying so, by another function that is said, and by SHA-1 in the first form (RFC 2634)."""
    parts = read_token(tsa.stamp(CONTENT))
    digest = encode(4, hashlib.new(name, parts.signer.public_bytes(Encoding.DER)).digest())
    said = encode(0x30, encode(6, bytes.fromhex("608648016503040203"))) if name == "sha512" else b""
    (value,) = nodes(encode(0x30, encode(0x30, encode(0x30, said, digest))))
    kind = SIGNING_CERTIFICATE if name == "sha1" else SIGNING_CERTIFICATE_V2
    check_signing_certificate(dataclasses.replace(parts, attributes={kind: value}))
    with pytest.raises(EvidenceError, match="another certificate"):
        check_signing_certificate(dataclasses.replace(parts, attributes={kind: value}, signer=tsa.root.certificate))


def test_one_flipped_bit_in_each_byte_is_noticed_or_changes_nothing(tsa: Any) -> None:
    token = tsa.stamp(CONTENT)
    stamp = check_token(token, CONTENT, roots=tsa.roots)
    noticed = 0
    for place in range(len(token)):
        altered = bytearray(token)
        altered[place] ^= 1 << place % 8
        try:
            assert check_token(bytes(altered), CONTENT, roots=tsa.roots) == stamp
        except EvidenceError:
            noticed += 1
    # What is left are version numbers and the name of the signature's algorithm, which follows from the key.
    assert len(token) - 20 < noticed < len(token)


def test_a_token_that_was_cut_short_or_goes_on_is_refused(tsa: Any) -> None:
    token = tsa.stamp(CONTENT)
    for wrong in [token[:end] for end in range(len(token))] + [token + b"0", token + token]:
        with pytest.raises(EvidenceError):
            check_token(wrong, CONTENT, roots=tsa.roots)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("garbage", "not the answer of a timestamping authority"),
        ("reject", "granted no token as it was asked for .status 2: Bad request format"),
        ("other-content", "about other content"),
        ("other-nonce", "answers another request"),
        ("large", "longer than 1048576 bytes"),
        ("closed", "503 Service Unavailable"),
    ],
)
def test_a_server_that_gives_no_timestamp_is_told_apart(tsa: Any, path: str, words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        request_token(tsa.url + path, SAME, timeout=30)


@pytest.mark.parametrize("path", ["hang", "drip"])
def test_a_server_that_never_finishes_is_given_up(tsa: Any, path: str) -> None:
    with pytest.raises(EvidenceError, match=r"gave no timestamp within 0\.2 s"):
        request_token(tsa.url + path, CONTENT, timeout=0.2)


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(EvidenceError, match=r"http://127\.0\.0\.1:9/ gave no timestamp"):
        request_token("http://127.0.0.1:9/", CONTENT, timeout=5)
    with pytest.raises(EvidenceError, match="gave no timestamp"):
        request_token("http://[", CONTENT, timeout=5)


def test_a_token_tells_its_time_before_it_is_checked(tsa: Any) -> None:
    token = tsa.stamp(CONTENT)
    assert stated_time(token) == check_token(token, CONTENT, roots=tsa.roots).time


def test_what_a_caller_must_not_give(tsa: Any) -> None:
    with pytest.raises(InputError, match="starts with http, got 'ftp://x'"):
        request_token("ftp://x", CONTENT, timeout=5)
    with pytest.raises(InputError, match="above 0 seconds, got 0"):
        request_token(tsa.url, CONTENT, timeout=0)
    with pytest.raises(InputError, match="the content is empty"):
        make_request(b"")
    with pytest.raises(InputError, match="no authority's root certificate was given"):
        check_token(tsa.stamp(CONTENT), CONTENT, roots=[])
    with pytest.raises(InputError, match="must be in PEM"):
        check_token(tsa.stamp(CONTENT), CONTENT, roots=[b"nonsense"])
