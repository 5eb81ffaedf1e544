from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import EvidenceError
from stealproof.evidence.canonical import canonical
from stealproof.evidence.envelope import P256_ORDER, open_envelope, sign
from stealproof.evidence.keys import PrivateKey, new_key, open_private

TYPE = "application/vnd.in-toto+json"
PAYLOAD = b'{"it": "is mine"}'


@pytest.fixture(scope="module")
def ed25519(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    path = tmp_path_factory.mktemp("keys") / "ed25519"
    new_key(path, algorithm="ed25519")
    return open_private(path)


@pytest.fixture(scope="module")
def ecdsa(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    path = tmp_path_factory.mktemp("keys") / "ecdsa"
    new_key(path, algorithm="ecdsa-p256")
    return open_private(path)


@pytest.fixture(params=["ed25519", "ecdsa"])
def key(request: pytest.FixtureRequest) -> PrivateKey:
    found: PrivateKey = request.getfixturevalue(request.param)
    return found


def signature(content: bytes) -> bytes:
    return base64.b64decode(json.loads(content)["signatures"][0]["sig"])


def changed(content: bytes, **fields: Any) -> bytes:
    value = {**json.loads(content), **fields}
    return canonical({name: field for name, field in value.items() if field is not None})


def resigned(content: bytes, **fields: Any) -> bytes:
    value = json.loads(content)
    entry = {**value["signatures"][0], **fields}
    return changed(content, signatures=[{name: field for name, field in entry.items() if field is not None}])


def with_signature(content: bytes, new: bytes) -> bytes:
    return resigned(content, sig=base64.b64encode(new).decode())


@given(payload=st.binary(max_size=100))
def test_what_was_signed_comes_back(ed25519: PrivateKey, ecdsa: PrivateKey, payload: bytes) -> None:
    for key in (ed25519, ecdsa):
        content = sign(payload, key, payload_type=TYPE)
        assert open_envelope(content, [ed25519.public, ecdsa.public], payload_type=TYPE) == payload


def test_the_signature_is_the_one_that_openssl_verifies(key: PrivateKey, tmp_path: Path) -> None:
    import subprocess

    content = sign(PAYLOAD, key, payload_type=TYPE)
    encoded = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(PAYLOAD), PAYLOAD)
    for name, part in [("pub", key.public.to_pem()), ("pae", encoded), ("sig", signature(content))]:
        (tmp_path / name).write_bytes(part)
    digest = ["-rawin"] if key.public.algorithm == "ed25519" else ["-rawin", "-digest", "sha256"]
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pub", *digest, "-in", "pae", "-sigfile", "sig"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Signature Verified Successfully" in result.stdout


def test_every_flipped_bit_is_refused(key: PrivateKey) -> None:
    content = sign(b"mine", key, payload_type="a/b")
    for place in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            with pytest.raises(EvidenceError):
                open_envelope(bytes(flipped), [key.public], payload_type="a/b")


@given(data=st.data())
def test_a_cut_doubled_or_spliced_envelope_is_refused(ed25519: PrivateKey, data: st.DataObject) -> None:
    content = sign(PAYLOAD, ed25519, payload_type=TYPE)
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    mutated = content[:start] + data.draw(st.binary(max_size=8)) + content[end:]
    if mutated != content:
        with pytest.raises(EvidenceError):
            open_envelope(mutated, [ed25519.public], payload_type=TYPE)


def test_another_signer_is_refused(ed25519: PrivateKey, ecdsa: PrivateKey) -> None:
    content = sign(PAYLOAD, ed25519, payload_type=TYPE)
    with pytest.raises(EvidenceError, match=f"expected {ecdsa.key_id}"):
        open_envelope(content, [ecdsa.public], payload_type=TYPE)
    with pytest.raises(EvidenceError, match="expected nobody"):
        open_envelope(content, [], payload_type=TYPE)


def test_a_signature_under_another_keys_name_is_refused(ed25519: PrivateKey, ecdsa: PrivateKey) -> None:
    content = sign(PAYLOAD, ed25519, payload_type=TYPE)
    with pytest.raises(EvidenceError, match="no ECDSA signature in DER"):
        open_envelope(resigned(content, keyid=ecdsa.key_id), [ecdsa.public], payload_type=TYPE)
    content = sign(PAYLOAD, ecdsa, payload_type=TYPE)
    with pytest.raises(EvidenceError, match="is not that of key"):
        open_envelope(resigned(content, keyid=ed25519.key_id), [ed25519.public], payload_type=TYPE)


def test_a_claim_is_not_taken_for_a_verdict(key: PrivateKey) -> None:
    content = sign(PAYLOAD, key, payload_type=TYPE)
    with pytest.raises(EvidenceError, match="payloadType must be application/other"):
        open_envelope(content, [key.public], payload_type="application/other")
    renamed = changed(content, payloadType="application/other")
    with pytest.raises(EvidenceError, match="is not that of key"):
        open_envelope(renamed, [key.public], payload_type="application/other")


def test_another_payload_under_the_signature_is_refused(key: PrivateKey) -> None:
    content = changed(sign(PAYLOAD, key, payload_type=TYPE), payload=base64.b64encode(b"yours").decode())
    with pytest.raises(EvidenceError, match="payload, type or signature was changed"):
        open_envelope(content, [key.public], payload_type=TYPE)


def test_ecdsa_signatures_have_the_smaller_s_and_the_other_is_refused(ecdsa: PrivateKey) -> None:
    for _ in range(20):
        content = sign(PAYLOAD, ecdsa, payload_type=TYPE)
        r, s = decode_dss_signature(signature(content))
        assert s <= P256_ORDER // 2
        mirrored = with_signature(content, encode_dss_signature(r, P256_ORDER - s))
        with pytest.raises(EvidenceError, match="not the one with the smaller s"):
            open_envelope(mirrored, [ecdsa.public], payload_type=TYPE)


def test_an_ecdsa_signature_with_zeros_before_it_is_refused(ecdsa: PrivateKey) -> None:
    content = sign(PAYLOAD, ecdsa, payload_type=TYPE)
    with pytest.raises(EvidenceError, match="no ECDSA signature in DER"):
        open_envelope(with_signature(content, signature(content) + b"\0"), [ecdsa.public], payload_type=TYPE)
    with pytest.raises(EvidenceError, match="is not that of key"):
        open_envelope(with_signature(content, encode_dss_signature(0, 0)), [ecdsa.public], payload_type=TYPE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: b"[]", "must be a JSON object of exactly"),
        (lambda good: changed(good, payload=None), "must be a JSON object of exactly"),
        (lambda good: changed(good, critical=["new"]), "must be a JSON object of exactly"),
        (lambda good: changed(good, signatures={}), "exactly one signature"),
        (lambda good: changed(good, signatures=[]), "exactly one signature"),
        (lambda good: changed(good, signatures=2 * json.loads(good)["signatures"]), "exactly one signature"),
        (lambda good: changed(good, signatures=["x"]), "exactly a keyid and a sig"),
        (lambda good: resigned(good, alg="none"), "exactly a keyid and a sig"),
        (lambda good: resigned(good, keyid=None), "exactly a keyid and a sig"),
        (lambda good: resigned(good, keyid=7), "keyid of the envelope's signature must be a text"),
        (lambda good: resigned(good, sig=7), "sig must be a text in base64"),
        (lambda good: resigned(good, sig="é"), "sig must be a text in base64"),
        (lambda good: resigned(good, sig="QUI"), "sig must be a text in base64"),
        (lambda good: changed(good, payload="QR=="), "payload must be a text in base64"),
        (lambda good: changed(good, payload="Q Q=="), "payload must be a text in base64"),
        (lambda good: changed(good, payload="__8="), "payload must be a text in base64"),
        (lambda good: changed(good, payloadType=1), "payloadType must be"),
        (lambda good: good + b"\n", "not in canonical JSON"),
        (lambda good: good.replace(b":", b": "), "not in canonical JSON"),
        (lambda good: b"\xef\xbb\xbf" + good, "the envelope"),
        (lambda good: good.replace(b'{"payload":', b'{"payload":"QQ==","payload":', 1), "the envelope"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(ed25519: PrivateKey, change: Any, words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        open_envelope(change(sign(PAYLOAD, ed25519, payload_type=TYPE)), [ed25519.public], payload_type=TYPE)
