"""Rounds of drand, a public randomness that a group of organisations signs together every few seconds.

A round is one BLS signature on its number, so that there is nothing to choose and nobody knows it early while fewer
than a threshold of the signers conspire. Checking one needs only the chain's public key, no network. The scheme is
``bls-unchained-g1-rfc9380``: signatures on G1 of BLS12-381, hashed to the curve as in RFC 9380, public keys on G2.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from stealproof.errors import EvidenceError, MissingExtra
from stealproof.evidence.canonical import canonical, parse

if TYPE_CHECKING:
    from py_ecc.typing import Optimized_Point3D

DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
"""The domain separation tag of this scheme's signatures."""
SERVER = "https://api.drand.sh"
"""One of those that the League of Entropy names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A drand network: whose rounds, and when."""

    public_key: bytes
    """A compressed point of G2, 96 bytes."""
    genesis: int
    """When round 1 came out, in seconds since 1970."""
    period: int
    """Seconds from one round to the next."""
    group: bytes
    """The hash of the group that started the chain, 32 bytes."""
    name: str

    @property
    def hash(self) -> str:
        """What the chain is called in the addresses of its servers: SHA-256 of all that describes it, hexadecimal."""
        when = self.period.to_bytes(4, "big") + self.genesis.to_bytes(8, "big")
        return hashlib.sha256(when + self.public_key + self.group + self.name.encode()).hexdigest()

    def time_of(self, number: int) -> datetime:
        """When round ``number`` comes out, in UTC."""
        return datetime.fromtimestamp(self.genesis, UTC) + timedelta(seconds=(number - 1) * self.period)

    def first_after(self, moment: datetime) -> int:
        """The number of the first round that comes out at ``moment`` or later."""
        late = (moment - self.time_of(1)).total_seconds()
        return max(1, 1 + math.ceil(late / self.period))


QUICKNET = Chain(
    public_key=bytes.fromhex(
        "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
        "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
    ),
    genesis=1692803367,
    period=3,
    group=bytes.fromhex("f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e"),
    name="quicknet",
)
"""The League of Entropy's chain of a round every 3 seconds, since August 2023."""


@dataclass(frozen=True, slots=True)
class Round:
    """A round as somebody gives it; ``check_round`` says whether it is one."""

    number: int
    signature: bytes

    @classmethod
    def from_answer(cls, content: bytes, *, what: str) -> Round:
        """The round in what a server of drand answers: JSON that has ``round`` and ``signature``, among others."""
        said = parse(content, what=what)
        try:
            number, signature = said["round"], bytes.fromhex(said["signature"])
        except (KeyError, TypeError, ValueError) as error:
            raise EvidenceError(
                f"{what} holds no round of drand; expected JSON with its round and signature, as a server answers when"
                " the round is out"
            ) from error
        if type(number) is not int:
            raise EvidenceError(f"{what} gives {number!r:.40} as the number of its round; expected an integer")
        return cls(number, signature)

    @classmethod
    def from_bytes(cls, content: bytes, *, what: str) -> Round:
        """The inverse of ``to_bytes``; ``EvidenceError`` for anything else, be it a space more."""
        found = cls.from_answer(content, what=what)
        if found.to_bytes() != content:
            raise EvidenceError(
                f"{what} holds more than a round and its signature, or in another form; it may be altered"
            )
        return found

    def to_bytes(self) -> bytes:
        """Number and signature in canonical JSON."""
        return canonical({"round": self.number, "signature": self.signature.hex()})


def fetch_round(number: int, *, server: str = SERVER, timeout: float, chain: Chain = QUICKNET) -> Round:
    """A round as a server gives it; whether it is one is left to ``check_round``.

    Args:
        number: of the round, at least 1.
        server: its address, without what names a chain and a round.
        timeout: seconds for the whole exchange, above 0.
        chain: whose.

    Raises:
        EvidenceError: no answer, or another one.
    """
    # Whoever only reads rounds needs no network.
    from stealproof.evidence._exchange import exchange

    url = f"{server.rstrip('/')}/{chain.hash}/public/{number}"
    # The answer is read as it comes, so it must not come compressed.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    answer = exchange(url, timeout=timeout, what="round of drand", whom="server of drand", headers=headers)
    return Round.from_answer(answer, what=f"the answer of {url}")


def check_round(number: int, signature: bytes, *, chain: Chain = QUICKNET) -> None:
    """Raise ``EvidenceError`` unless ``signature`` is the chain's on this round; takes about a second."""
    with _pairings():
        from py_ecc.bls.hash_to_curve import hash_to_G1
        from py_ecc.fields import optimized_bls12_381_FQ12
        from py_ecc.optimized_bls12_381.optimized_curve import G2, neg
        from py_ecc.optimized_bls12_381.optimized_pairing import final_exponentiate, pairing
    if not 1 <= number < 1 << 63:
        raise EvidenceError(f"drand has no round {number}")
    key, point = _key(chain.public_key), _signature(signature)
    said = hashlib.sha256(number.to_bytes(8, "big")).digest()
    # The annotation asks for a digest in the making, the function for what makes one.
    message = hash_to_G1(said, DOMAIN, hashlib.sha256)  # type: ignore[arg-type]
    # e(signature, G2) = e(message, key), with one final exponentiation for both.
    product = pairing(G2, point, final_exponentiate=False) * pairing(key, neg(message), final_exponentiate=False)
    if final_exponentiate(product) != optimized_bls12_381_FQ12.one():
        raise EvidenceError(f"the signature is not that of the chain {chain.name} on round {number}")


def _signature(content: bytes) -> Optimized_Point3D[Any]:
    from py_ecc.bls.point_compression import decompress_G1
    from py_ecc.bls.typing import G1Compressed

    if len(content) != 48:
        raise EvidenceError(f"a round's signature has 48 bytes, got {len(content)}")
    with _on_the_curve("a round's signature"):
        return _in_the_group(decompress_G1(G1Compressed(int.from_bytes(content, "big"))))


def _key(content: bytes) -> Optimized_Point3D[Any]:
    from py_ecc.bls.point_compression import decompress_G2
    from py_ecc.bls.typing import G2Compressed

    halves = (int.from_bytes(content[:48], "big"), int.from_bytes(content[48:], "big"))
    with _on_the_curve("a chain's public key"):
        return _in_the_group(decompress_G2(G2Compressed(halves)))


def _in_the_group(point: Optimized_Point3D[Any]) -> Optimized_Point3D[Any]:
    """The point, unless it is outside of the group in which signatures are unique, or zero."""
    from py_ecc.bls.g2_primitives import subgroup_check
    from py_ecc.optimized_bls12_381.optimized_curve import is_inf

    if is_inf(point) or not subgroup_check(point):
        raise ValueError("the point is outside of the group")
    return point


@contextlib.contextmanager
def _on_the_curve(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise EvidenceError(f"{what} is no point of BLS12-381's groups: {error}") from error


@contextlib.contextmanager
def _pairings() -> Iterator[None]:
    """For imports of py_ecc, which raises Python's recursion limit so far that other readers' recursion would crash."""
    limit = sys.getrecursionlimit()
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra.named("py_ecc", "drand") from error
    finally:
        sys.setrecursionlimit(limit)
