"""The parts of an RFC 3161 answer that its checks need, and which ``rfc3161-client`` does not hand out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from stealproof.errors import EvidenceError
from stealproof.evidence._der import INTEGER, OCTETS, OID, SEQUENCE, SET, UTF8, Node, encode, nodes
from stealproof.evidence._extra import from_court

with from_court("cryptography"):
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

CERTIFICATES, ATTRIBUTES = 0xA0, 0xA0
DIGESTS = {
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}
"""The hash functions that a token's signature may use, by the bytes of their object identifiers."""
SIGNING_CERTIFICATE = bytes.fromhex("2a864886f70d010910020c")
SIGNING_CERTIFICATE_V2 = bytes.fromhex("2a864886f70d010910022f")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One answer of a timestamping authority, taken apart; nothing in it is checked yet."""

    answer: bytes
    """The whole answer, its certificates in the order of DER."""
    info: bytes
    """The TSTInfo: what was signed about which content, when, by number."""
    signer: x509.Certificate
    """The one certificate in the token that the signature names."""
    attributes: dict[bytes, Node]
    """The signed attributes: the first value of each, by the bytes of its object identifier."""
    signature: bytes


def read_token(content: bytes) -> Token:
    """The parts of a TimeStampResp (a ``.tsr`` file); ``EvidenceError`` if it is none, or says that it was refused."""
    try:
        (answer,) = nodes(content)
        status, *rest = answer.items(SEQUENCE)
        _check_granted(status)
        (token,) = rest
        return _taken_apart(status, token)
    except (ValueError, IndexError, x509.InvalidVersion) as error:
        raise EvidenceError(
            "this is not the answer of a timestamping authority (RFC 3161), or it is damaged; expected a .tsr file as "
            "it was sent"
        ) from error


def _check_granted(status: Node) -> None:
    """Refuse an answer that brings no token, in the authority's own words."""
    number, *rest = status.items(SEQUENCE)
    code = int.from_bytes(number.content(INTEGER), "big")
    if code == 0:
        return
    words = [word.content(UTF8).decode() for part in rest[:1] if part.tag == SEQUENCE for word in part.items(SEQUENCE)]
    raise EvidenceError(
        f"the timestamping authority granted no token as it was asked for (status {code}"
        f"{': ' + '; '.join(words) if words else ''}); ask again, or ask another authority"
    )


def _taken_apart(status: Node, token: Node) -> Token:
    kind, wrapped = token.items(SEQUENCE)
    (signed,) = wrapped.items(0xA0)
    version, digests, encapsulated, certificates, *rest = signed.items(SEQUENCE)
    if certificates.tag != CERTIFICATES:
        raise EvidenceError("the timestamp came without its signer's certificate; ask for one with it (certReq)")
    found = certificates.items(CERTIFICATES)
    # OpenSSL's ts puts certificates down in the order of the chain, rfc3161-client insists on the order of DER; they
    # are not covered by the signature, so sorting them changes nothing that anybody signed.
    ordered = encode(CERTIFICATES, *sorted(node.raw for node in found))
    body = (version.raw, digests.raw, encapsulated.raw, ordered, *(node.raw for node in rest))
    sorted_token = encode(SEQUENCE, kind.raw, encode(0xA0, encode(SEQUENCE, *body)))
    _, content = encapsulated.items(SEQUENCE)
    (info,) = content.items(0xA0)
    (signer,) = rest[-1].items(SET)
    _, name, digest, attributes, _, signature, *_ = signer.items(SEQUENCE)
    if digest.items(SEQUENCE)[0].content(OID) not in DIGESTS:
        known = ", ".join(DIGESTS.values())
        raise EvidenceError(f"the timestamp's signature uses a hash function that is not one of {known}")
    return Token(
        answer=encode(SEQUENCE, status.raw, sorted_token),
        info=info.content(OCTETS),
        signer=_signer(name, found),
        attributes=dict(_attribute(node) for node in attributes.items(ATTRIBUTES)),
        signature=signature.content(OCTETS),
    )


def _signer(name: Node, certificates: list[Node]) -> x509.Certificate:
    named = []
    for certificate in certificates:
        # Version, number, algorithm, issuer, ...: the signer is named by the exact bytes of issuer and number.
        _, serial, _, issuer, *_ = certificate.items(SEQUENCE)[0].items(SEQUENCE)
        if issuer.raw + serial.raw == name.content(SEQUENCE):
            named.append(certificate.raw)
    # Two of that name would leave open which one a check looked at.
    if len(named) != 1:
        raise EvidenceError(
            f"the timestamp holds {len(named)} certificates of its signer, expected 1; ask the authority to send it"
        )
    return x509.load_der_x509_certificate(named[0])


def _attribute(node: Node) -> tuple[bytes, Node]:
    kind, values = node.items(SEQUENCE)
    return kind.content(OID), values.items(SET)[0]


def check_signing_certificate(token: Token) -> None:
    """Refuse a token whose signature does not cover which certificate made it (RFC 3161 section 2.4.2, RFC 5816).

    The name of the signer stands outside of what is signed, so without this the token could be passed off under
    another certificate of the same key, say one with other dates.
    """
    der = token.signer.public_bytes(Encoding.DER)
    try:
        if (value := token.attributes.get(SIGNING_CERTIFICATE_V2)) is not None:
            first = value.items(SEQUENCE)[0].items(SEQUENCE)[0].items(SEQUENCE)
            # SHA-256 is the default, so DER leaves its name out; any other hash function is named first.
            named = first[0].tag == SEQUENCE
            function = DIGESTS[first[0].items(SEQUENCE)[0].content(OID)] if named else "sha256"
            expected, found = hashlib.new(function, der).digest(), first[int(named)].content(OCTETS)
        else:
            first = token.attributes[SIGNING_CERTIFICATE].items(SEQUENCE)[0].items(SEQUENCE)[0].items(SEQUENCE)
            expected, found = hashlib.sha1(der).digest(), first[0].content(OCTETS)
    except (KeyError, IndexError, ValueError) as error:
        raise EvidenceError("the timestamp does not say in its signed part which certificate made it") from error
    if found != expected:
        raise EvidenceError("the timestamp was made with another certificate than the one that it now carries")
