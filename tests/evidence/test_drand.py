from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import EvidenceError, MissingExtra
from stealproof.evidence import _exchange
from stealproof.evidence.drand import DOMAIN, QUICKNET, Chain, Round, _pairings, check_round, fetch_round

LIMIT = sys.getrecursionlimit()
with _pairings():
    from py_ecc.bls.hash_to_curve import hash_to_G1, map_to_curve_G1
    from py_ecc.bls.point_compression import compress_G1, compress_G2
    from py_ecc.fields import optimized_bls12_381_FQ as FQ
    from py_ecc.optimized_bls12_381.optimized_curve import G2, add, curve_order, multiply
    from py_ecc.typing import Optimized_Point3D


# Round 657413 of quicknet, as the documentation of the package drand-verify on PyPI gives it.
NUMBER = 657413
SIGNATURE = bytes.fromhex(
    "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b"
)
RANDOMNESS = "fc1873a13f3545aeade8401532ef5519920652eee6b0d2b19ca12643b87b3587"

SECRET = 20_260_101


def signed(number: int) -> bytes:
    """The signature on a round of the chain that this test owns."""
    return compress_G1(multiply(hashed(number), SECRET)).to_bytes(48, "big")


def hashed(number: int) -> Optimized_Point3D[FQ]:
    """The point that is signed for a round."""
    said = hashlib.sha256(number.to_bytes(8, "big")).digest()
    return hash_to_G1(said, DOMAIN, hashlib.sha256)  # type: ignore[arg-type]


def own_chain() -> Chain:
    key = b"".join(half.to_bytes(48, "big") for half in compress_G2(multiply(G2, SECRET)))
    return Chain(public_key=key, genesis=1_700_000_000, period=30, group=bytes(32), name="own")


def test_importing_pairings_leaves_the_recursion_limit_alone() -> None:
    assert sys.getrecursionlimit() == LIMIT < 100_000


def test_quicknet_is_the_chain_that_its_servers_name() -> None:
    assert QUICKNET.hash == "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"


def test_a_round_of_quicknet_checks_out_and_only_as_that_round() -> None:
    check_round(NUMBER, SIGNATURE)
    assert hashlib.sha256(SIGNATURE).hexdigest() == RANDOMNESS
    with pytest.raises(EvidenceError, match="not that of the chain quicknet on round 657414"):
        check_round(NUMBER + 1, SIGNATURE)


def test_a_chain_of_one_s_own_checks_out_and_not_as_quicknet() -> None:
    check_round(7, signed(7), chain=own_chain())
    with pytest.raises(EvidenceError, match="not that of the chain quicknet"):
        check_round(7, signed(7))


def test_a_point_outside_of_the_group_is_no_second_signature() -> None:
    """A signature plus a point of small order would pass the pairing: the same round, another beacon."""
    outside = multiply(map_to_curve_G1(FQ(5)), curve_order)
    twin = compress_G1(add(multiply(hashed(7), SECRET), outside)).to_bytes(48, "big")
    assert twin != signed(7)
    with pytest.raises(EvidenceError, match="outside of the group"):
        check_round(7, twin, chain=own_chain())


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        (SIGNATURE[:-1], "48 bytes, got 47"),
        (b"", "48 bytes, got 0"),
        (bytes(48), "c_flag should be 1"),
        (b"\xc0" + bytes(47), "outside of the group"),
        (b"\xff" * 48, "no point"),
        (b"\x80" + bytes(46) + b"\x01", "not on G1"),
    ],
)
def test_what_is_no_signature_is_refused(signature: bytes, words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        check_round(NUMBER, signature)


def test_what_is_no_round_and_no_key_is_refused() -> None:
    for number in (0, -1, 1 << 63):
        with pytest.raises(EvidenceError, match="drand has no round"):
            check_round(number, SIGNATURE)
    with pytest.raises(EvidenceError, match="a chain's public key is no point"):
        check_round(1, SIGNATURE, chain=dataclasses.replace(QUICKNET, public_key=bytes(96)))


@given(st.datetimes(datetime(2023, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
def test_the_first_round_after_a_moment_is_the_only_one_that_may_be(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    number = QUICKNET.first_after(moment)
    assert number >= 1
    assert QUICKNET.time_of(number) >= moment
    assert number == 1 or QUICKNET.time_of(number) - timedelta(seconds=QUICKNET.period) < moment


ANSWER = json.dumps({"round": NUMBER, "randomness": RANDOMNESS, "signature": SIGNATURE.hex()}).encode()


def answering(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> list[str]:
    """Which addresses are asked, each of which gives this answer."""
    asked = []

    def exchange(url: str, **_: object) -> bytes:
        asked.append(url)
        return answer

    monkeypatch.setattr(_exchange, "exchange", exchange)
    return asked


@pytest.mark.parametrize("server", ["https://api.drand.sh", "http://localhost:8080/"])
def test_a_round_is_fetched_from_the_chain_s_address(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    asked = answering(monkeypatch, ANSWER)
    assert fetch_round(NUMBER, server=server, timeout=5) == Round(NUMBER, SIGNATURE)
    assert asked == [f"{server.rstrip('/')}/{QUICKNET.hash}/public/657413"]


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        b"[]",
        b'{"round": 1}',
        b'{"round": 1, "signature": "xyz"}',
        b'{"round": 1, "signature": 3}',
        b'{"round": "1", "signature": ""}',
        b'{"round": true, "signature": ""}',
        b"<html>",
        b'{"a":1,"a":1}',
    ],
)
def test_a_server_without_the_round_is_named(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    answering(monkeypatch, answer)
    with pytest.raises(EvidenceError, match=r"api\.drand\.sh"):
        fetch_round(NUMBER, timeout=5)


def test_a_stored_round_has_one_form() -> None:
    drawn = Round.from_answer(ANSWER, what="it")
    content = drawn.to_bytes()
    assert content == b'{"round":657413,"signature":"%s"}' % SIGNATURE.hex().encode()
    assert Round.from_bytes(content, what="it") == drawn
    for other in (ANSWER, content + b"\n", content.replace(b"b713", b"B713"), content.replace(b"b713", b"b7 13")):
        assert Round.from_answer(other, what="it") == drawn
        with pytest.raises(EvidenceError, match="in another form"):
            Round.from_bytes(other, what="it")


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py_ecc.bls.hash_to_curve", None)
    with pytest.raises(MissingExtra, match=r"pip install 'stealproof\[drand\]'"):
        check_round(NUMBER, SIGNATURE)
