"""RFC 3161 timestamps: somebody else's signed word that some bytes existed at a time.

A token says that whoever asked had the digest of the content at that time: not who that was, and not that nobody had it
before. Checking one needs no network, only the authority's root certificate::

    token = request_token("http://timestamp.example/", content, timeout=30)
    stamp = check_token(token, content, roots=[Path("root.pem").read_bytes()])
    print(stamp.time, stamp.authority)

Whether a certificate was revoked is not looked up, since that needs the network and changes with time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stealproof.errors import EvidenceError, InputError
from stealproof.evidence._exchange import exchange
from stealproof.evidence._extra import from_court

with from_court("rfc3161-client"):
    import rfc3161_client
    from cryptography import x509
    from rfc3161_client import TimeStampRequest, TimeStampResponse, VerifierBuilder

from stealproof.evidence._token import Token, check_signing_certificate, read_token

SHA256 = "2.16.840.1.101.3.4.2.1"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a token says, after it was checked."""

    time: datetime
    """When the authority signed, in UTC, to the second."""
    serial: int
    """The authority's number for this token; never used twice by the same authority."""
    authority: str
    """The subject of the certificate that signed, in the order of RFC 4514."""
    digest: str
    """SHA-256 of the content, in hexadecimal."""


def make_request(content: bytes) -> bytes:
    """A request for a token on ``content`` (a ``.tsq`` file), with a random nonce and the certificates asked for."""
    return _request(content).as_bytes()


def request_token(url: str, content: bytes, *, timeout: float) -> bytes:
    """The answer of the authority at ``url`` to a request for ``content`` (a ``.tsr`` file).

    The answer is for this content and this request's nonce, or ``EvidenceError`` is raised. Whether to trust who signed
    it is left to ``check_token``.

    Args:
        url: starts with ``http://`` or ``https://``; the token is signed, so either will do.
        content: at least one byte; only its SHA-256 is sent.
        timeout: seconds for the whole exchange, above 0.
    """
    request = _request(content)
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    answer = exchange(
        url,
        timeout=timeout,
        what="timestamp",
        whom="timestamping authority",
        headers=headers,
        content=request.as_bytes(),
    )
    _check_content(_opened(answer)[1], content, nonce=request.nonce)
    return answer


def check_token(token: bytes, content: bytes, *, roots: Sequence[bytes], nonce: int | None = None) -> Stamp:
    """What ``token`` says about ``content``, if all of it checks out; ``EvidenceError`` with the reason otherwise.

    The certificates must have been valid at the token's own time, not today: a certificate that expired since then
    takes nothing back, and nobody can date a token outside of its certificate's validity.

    Args:
        token: the whole answer of the authority, a ``.tsr`` file.
        content: what was timestamped.
        roots: certificates of authorities whose word counts, each PEM; the judge's choice, never the accuser's.
        nonce: of the request, when it is known.
    """
    trusted = _certificates(roots)
    parts, response = _opened(token)
    _check_content(response, content, nonce=nonce)
    _check_dates(parts.signer, response.tst_info.gen_time)
    _check_signature(response, trusted)
    check_signing_certificate(parts)
    info = response.tst_info
    return Stamp(
        time=info.gen_time.astimezone(UTC),
        serial=info.serial_number,
        authority=parts.signer.subject.rfc4514_string(),
        digest=info.message_imprint.message.hex(),
    )


def stated_time(token: bytes) -> datetime:
    """When a token says that the authority signed, in UTC; whether that is so is for ``check_token`` to check."""
    return _opened(token)[1].tst_info.gen_time.astimezone(UTC)


def _request(content: bytes) -> TimeStampRequest:
    if not content:
        raise InputError("there is nothing to timestamp: the content is empty")
    builder = rfc3161_client.TimestampRequestBuilder()
    return builder.data(content).hash_algorithm(rfc3161_client.HashAlgorithm.SHA256).build()


def _opened(token: bytes) -> tuple[Token, TimeStampResponse]:
    parts = read_token(token)
    try:
        response = rfc3161_client.decode_timestamp_response(parts.answer)
        # The library decodes this part no earlier than it is asked for.
        _ = response.tst_info.gen_time
    except Exception as error:
        # Whatever an untrusted token makes a library raise, it means the same.
        raise EvidenceError("what the timestamp says can't be read; expected a .tsr file as it was sent") from error
    return parts, response


def _check_content(response: TimeStampResponse, content: bytes, *, nonce: int | None) -> None:
    imprint = response.tst_info.message_imprint
    if imprint.hash_algorithm.dotted_string != SHA256:
        name = getattr(imprint.hash_algorithm, "_name", "unknown")
        raise EvidenceError(f"the timestamp is about a digest by {name}; expected one by sha256")
    if imprint.message != hashlib.sha256(content).digest():
        raise EvidenceError(f"the timestamp is about other content: about the SHA-256 {imprint.message.hex()}")
    if nonce is not None and response.tst_info.nonce != nonce:
        raise EvidenceError("the timestamp answers another request: its nonce is not the one that was sent")


def _certificates(roots: Sequence[bytes]) -> list[x509.Certificate]:
    try:
        return [certificate for root in roots for certificate in x509.load_pem_x509_certificates(root)]
    except ValueError as error:
        raise InputError(f"the root certificate of a timestamping authority must be in PEM: {error}") from error


def _check_dates(certificate: x509.Certificate, moment: datetime) -> None:
    """Said here first since OpenSSL's words for it, "has expired", would be misleading about the past."""
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= moment <= last:
        raise EvidenceError(
            f"the timestamp says {moment:%Y-%m-%d %H:%M:%S}, when the certificate that signed it was not valid: it was "
            f"from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}"
        )


def _check_signature(response: TimeStampResponse, roots: list[x509.Certificate]) -> None:
    """Signature, chain and purpose, by OpenSSL through rfc3161-client, which verifies them at the token's own time."""
    if not roots:
        raise InputError("no authority's root certificate was given, so no timestamp can be trusted; give at least one")
    try:
        VerifierBuilder(roots=roots).build().verify(response, response.tst_info.message_imprint.message)
    except Exception as error:
        # Beside its own error, the library lets through what cryptography makes of a certificate that is not one.
        reason = re.search(r"Verify error: ([^\"]*)", str(error))
        words = reason[1] if reason else "its signature does not match"
        raise EvidenceError(f"the timestamp is not by an authority that is trusted here: {words}") from error
