"""A signed envelope (DSSE): some bytes, what they are, and one signature over both.

The signature is over the pre-authentication encoding ``DSSEv1 LENGTH TYPE LENGTH PAYLOAD``, so that a claim can't be
passed off as a verdict. An envelope has one form in bytes: canonical JSON, canonical base64, one signature. ECDSA lets
anybody turn a signature (r, s) into another valid one, (r, n - s); only the one with the smaller s is made or accepted.

See https://github.com/secure-systems-lab/dsse.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from stealproof.errors import EvidenceError
from stealproof.evidence._extra import from_court
from stealproof.evidence.canonical import canonical, parse
from stealproof.evidence.keys import PrivateKey, PublicKey

with from_court("securesystemslib"):
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import CryptoSigner, Signature, SSlibKey  # type: ignore[attr-defined]

FIELDS = {"payload", "payloadType", "signatures"}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def sign(payload: bytes, key: PrivateKey, *, payload_type: str) -> bytes:
    """The envelope around ``payload``, signed with ``key``."""
    signer = CryptoSigner(key.secret, _verifier(key.public))
    made = bytes.fromhex(signer.sign(Envelope(payload, payload_type, {}).pae()).signature)
    if key.public.algorithm == "ecdsa-p256":
        r, s = decode_dss_signature(made)
        made = encode_dss_signature(r, min(s, P256_ORDER - s))
    signature = Signature(key.key_id, made.hex())
    return canonical(Envelope(payload, payload_type, {key.key_id: signature}).to_dict())


def open_envelope(content: bytes, keys: Sequence[PublicKey], *, payload_type: str) -> bytes:
    """The payload of an envelope that one of ``keys`` signed.

    Raises:
        EvidenceError: another signer or payload type, a wrong signature, or any byte that is not as ``sign`` writes it.
    """
    value = parse(content, what="the envelope")
    if not isinstance(value, dict) or set(value) != FIELDS:
        raise EvidenceError(f"the envelope must be a JSON object of exactly {', '.join(sorted(FIELDS))}")
    if value["payloadType"] != payload_type:
        raise EvidenceError(f"the envelope's payloadType must be {payload_type}, got {value['payloadType']!r:.100}")
    key_id, signature = _only_signature(value["signatures"])
    payload = _decode(value["payload"], "payload")
    if canonical(value) != content:
        raise EvidenceError(
            "the envelope is not in canonical JSON (RFC 8785): its bytes were changed after it was signed"
        )
    named = {key.key_id: key for key in keys}
    if key_id not in named:
        accepted = ", ".join(sorted(named)) or "nobody"
        raise EvidenceError(f"the envelope says that key {key_id!r:.100} signed it, expected {accepted}")
    _check_form(signature, named[key_id])
    envelope = Envelope(payload, payload_type, {key_id: Signature(key_id, signature.hex())})
    try:
        envelope.verify([_verifier(named[key_id])], threshold=1)
    except VerificationError as error:
        raise EvidenceError(
            f"the envelope's signature is not that of key {key_id}: payload, type or signature was changed"
        ) from error
    return payload


def _verifier(key: PublicKey) -> SSlibKey:
    return SSlibKey.from_crypto(key.key, keyid=key.key_id)


def _only_signature(entries: object) -> tuple[str, bytes]:
    """Key id and signature; a second signature would be bytes that nobody checks."""
    if not isinstance(entries, list) or len(entries) != 1:
        raise EvidenceError("the envelope must have a list of exactly one signature")
    entry = entries[0]
    if not isinstance(entry, dict) or set(entry) != {"keyid", "sig"}:
        raise EvidenceError("the envelope's signature must have exactly a keyid and a sig")
    if not isinstance(entry["keyid"], str):
        raise EvidenceError("the keyid of the envelope's signature must be a text")
    return entry["keyid"], _decode(entry["sig"], "sig")


def _decode(text: object, name: str) -> bytes:
    """The bytes that a text in base64 stands for; unused bits at its end must be zero."""
    try:
        content = base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        content = None
    if content is None or base64.b64encode(content).decode("ascii") != text:
        raise EvidenceError(f"the envelope's {name} must be a text in base64 with padding")
    return content


def _check_form(signature: bytes, key: PublicKey) -> None:
    """Refuse the second form that an ECDSA signature has."""
    if key.algorithm == "ecdsa-p256":
        try:
            r, s = decode_dss_signature(signature)
        except ValueError:
            raise EvidenceError("the envelope's signature is no ECDSA signature in DER") from None
        if s > P256_ORDER // 2 or encode_dss_signature(r, s) != signature:
            raise EvidenceError("the envelope's ECDSA signature is not the one with the smaller s: it was altered")
