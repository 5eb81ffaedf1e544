from __future__ import annotations

import contextlib
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from stealproof.errors import EvidenceError
from stealproof.evidence._der import encode
from stealproof.evidence._token import read_token
from stealproof.evidence.beacon import MARGIN, check_beacon, drand_beacon, round_after, timestamp_beacon
from stealproof.evidence.drand import QUICKNET, Round
from stealproof.evidence.timestamp import check_token

CONTENT = b"a claim's commitment"
ROUND = 657413
SIGNATURE = bytes.fromhex(
    "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b"
)


@pytest.fixture(scope="module")
def early(tsa: Any) -> bytes:
    """A token that leads to the round of drand that is known here."""
    signer = tsa.authority("early", valid=(datetime(2023, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)))
    token: bytes = signer.forge(CONTENT, QUICKNET.time_of(ROUND) - MARGIN)
    return token


def test_each_token_gives_another_beacon_and_the_same_one_every_time(tsa: Any) -> None:
    one, other = tsa.stamp(CONTENT), tsa.stamp(CONTENT)
    found = timestamp_beacon(one)
    assert found == timestamp_beacon(one)
    assert found.value != timestamp_beacon(other).value
    assert len(found.value) == 32
    check_beacon(found, one)
    with pytest.raises(EvidenceError, match="does not follow from the commitment's timestamp"):
        check_beacon(found, other)


def test_foreseeing_all_that_a_token_says_is_not_enough(tsa: Any) -> None:
    """Two tokens that say the same, to the bit, have different signatures: so the beacon must depend on them."""
    moment = datetime.now(UTC)
    one, other = (tsa.signer.forge(CONTENT, moment, serial=5) for _ in range(2))
    assert read_token(one).info == read_token(other).info
    assert timestamp_beacon(one).value != timestamp_beacon(other).value


def test_the_twin_of_an_ecdsa_signature_is_no_second_beacon(tsa: Any) -> None:
    token = tsa.authority("short", key=ec.generate_private_key(ec.SECP256R1())).stamp(CONTENT)
    signature = read_token(token).signature
    r, s = decode_dss_signature(signature)
    twin = encode_dss_signature(r, ec.SECP256R1().group_order - s)
    twin_token = tsa.altered(token, {encode(4, signature): encode(4, twin)})
    assert check_token(twin_token, CONTENT, roots=tsa.roots) == check_token(token, CONTENT, roots=tsa.roots)
    assert timestamp_beacon(twin_token) == timestamp_beacon(token)


def test_an_rsa_signature_counts_as_it_is(tsa: Any) -> None:
    token = tsa.authority("rsa", key=rsa.generate_private_key(65537, 2048)).stamp(CONTENT)
    assert check_token(token, CONTENT, roots=tsa.roots).authority == "CN=rsa"
    check_beacon(timestamp_beacon(token), token)


def test_flipped_bits_never_give_another_beacon_for_a_token_that_still_checks_out(tsa: Any) -> None:
    token = tsa.stamp(CONTENT)
    expected = timestamp_beacon(token)
    accepted = 0
    for place in range(len(token)):
        altered = bytearray(token)
        altered[place] ^= 1 << place % 8
        with contextlib.suppress(EvidenceError):
            timestamp_beacon(bytes(altered))
        try:
            check_token(bytes(altered), CONTENT, roots=tsa.roots)
        except EvidenceError:
            continue
        accepted += 1
        assert timestamp_beacon(bytes(altered)) == expected
    assert accepted


def test_a_damaged_ecdsa_signature_is_refused(tsa: Any) -> None:
    token = tsa.stamp(CONTENT)
    signature = read_token(token).signature
    with pytest.raises(EvidenceError, match="signature or the key in its certificate is damaged"):
        timestamp_beacon(token.replace(signature, b"\0" * len(signature)))


def test_the_timestamp_leads_to_one_round_of_drand(early: bytes) -> None:
    assert round_after(early) == ROUND
    found = drand_beacon(Round(ROUND, SIGNATURE))
    assert found.value.hex() == "fc1873a13f3545aeade8401532ef5519920652eee6b0d2b19ca12643b87b3587"
    check_beacon(found, early)
    for wrong, words in [
        (dataclasses.replace(found, number=1000), "is round 1000 of drand, but .* leads to round 657413"),
        (dataclasses.replace(found, value=bytes(32)), "not the randomness of its round"),
        (dataclasses.replace(found, signature=bytes(48)), "no point of BLS12-381"),
    ]:
        with pytest.raises(EvidenceError, match=words):
            check_beacon(wrong, early)


@pytest.mark.parametrize(("seconds", "leads_to"), [(-3, ROUND - 1), (-1, ROUND), (0, ROUND), (1, ROUND + 1)])
def test_a_later_timestamp_leads_to_a_later_round(tsa: Any, seconds: int, leads_to: int) -> None:
    moment = QUICKNET.time_of(ROUND) - MARGIN + timedelta(seconds=seconds)
    assert round_after(tsa.signer.forge(CONTENT, moment)) == leads_to


def test_a_timestamp_at_the_end_of_the_calendar_leads_nowhere(tsa: Any) -> None:
    with pytest.raises(EvidenceError, match="end of the calendar"):
        round_after(tsa.signer.forge(CONTENT, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)))
