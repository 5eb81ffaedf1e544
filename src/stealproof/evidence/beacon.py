"""Beacons: bytes that nobody knew when a claim was committed to, so that triggers derived from them were not chosen.

Of a kind each:

``timestamp``
    SHA-256 over what the authority signed about the commitment, and over its signature. Works offline. The signature
    must be in it: all else an accuser can foresee (the nonce is its own, the time runs, serial numbers are counted up),
    and would try out beforehand.
``drand``
    The first round of a public randomness that comes out a minute or more after the commitment's timestamp. Whoever has
    the timestamp has no choice of rounds. An authority that works for the accuser can try out signatures of the right
    time for a beacon of the first kind, unseen; for one of this kind it has to lie about the time.

With either, what remains is that an accuser may ask for many timestamps, of one commitment or of many, and show the one
that suits it. Nothing in a token tells how many others there are. An accuser who hides k attempts gains a factor of at
most k, so a judge counts a thousand million of them (``court/countermeasures/count_plans.py``), and
``measures/grinding.py`` corrects the p-value.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from stealproof.errors import EvidenceError
from stealproof.evidence._extra import from_court
from stealproof.evidence._token import read_token
from stealproof.evidence.drand import QUICKNET, Chain, Round, check_round
from stealproof.evidence.timestamp import stated_time

with from_court("cryptography"):
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

TAG = b"stealproof beacon from a timestamp 1"
"""Separates this use of SHA-256 from every other."""
MARGIN = timedelta(seconds=60)
"""How long after the timestamp a round of drand counts: more than the clock of an honest authority is ever slow."""

Kind = Literal["timestamp", "drand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beacon:
    """32 bytes, and what shows where they come from."""

    kind: Kind
    value: bytes
    number: int = 0
    """Of the round, for drand."""
    signature: bytes = b""
    """Of the round, for drand."""


def timestamp_beacon(token: bytes) -> Beacon:
    """The beacon that follows from a token; the token itself is for ``check_token`` to check.

    Of an ECDSA signature (r, s) only r counts: anybody can turn it into (r, -s), and would have two beacons to choose
    from. An RSA signature is the only one of its content.
    """
    parts = read_token(token)
    signature = parts.signature
    try:
        if isinstance(parts.signer.public_key(), EllipticCurvePublicKey):
            signature = decode_dss_signature(signature)[0].to_bytes(66, "big")
    except (ValueError, OverflowError, UnsupportedAlgorithm) as error:
        raise EvidenceError("the timestamp's signature or the key in its certificate is damaged") from error
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in (TAG, parts.info, signature))
    return Beacon(kind="timestamp", value=hashlib.sha256(framed).digest())


def round_after(token: bytes, *, chain: Chain = QUICKNET) -> int:
    """The number of the round that a token's time leads to; it is not out before ``MARGIN`` has passed since then."""
    try:
        return chain.first_after(stated_time(token) + MARGIN)
    except OverflowError as error:
        raise EvidenceError("the timestamp's time lies at the end of the calendar, which no round follows") from error


def drand_beacon(drawn: Round) -> Beacon:
    """The beacon that a round is, if it checks out."""
    value = hashlib.sha256(drawn.signature).digest()
    return Beacon(kind="drand", value=value, number=drawn.number, signature=drawn.signature)


def check_beacon(beacon: Beacon, token: bytes, *, chain: Chain = QUICKNET) -> None:
    """Raise ``EvidenceError`` unless ``token`` leads to ``beacon``; the token itself is for ``check_token`` to check.

    Args:
        beacon: as the accuser gives it.
        token: the timestamp of the commitment.
        chain: the rounds that count, for drand; the judge's choice.
    """
    if beacon.kind == "timestamp":
        if beacon != timestamp_beacon(token):
            raise EvidenceError("the beacon does not follow from the commitment's timestamp")
        return
    number = round_after(token, chain=chain)
    if beacon.number != number:
        raise EvidenceError(
            f"the beacon is round {beacon.number} of drand, but the commitment's timestamp leads to round {number}"
        )
    check_round(number, beacon.signature, chain=chain)
    if beacon.value != hashlib.sha256(beacon.signature).digest():
        raise EvidenceError("the beacon's value is not the randomness of its round, the SHA-256 of the signature")
