"""Derivation: trigger inputs, labels and row numbers that follow from a commitment and a beacon, so nobody chose them.

A stranger can redo all of it with SHAKE-256 and integer arithmetic. Every stream of bytes is::

    SHAKE-256(F(TAG) F(commitment) F(beacon) F(terms) F(purpose) number)

``F(x)`` is the length of x in 8 bytes followed by x, ``number`` 8 bytes, all integers big-endian. ``terms`` says in
canonical JSON what the rest is about (legal range, classes, ...): another word in it gives other triggers *and* other
labels, so that no range or pool can be fitted to labels that are already known.

Trigger i and label i have streams of their own, so fewer triggers are a prefix of more.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray

from stealproof.errors import InputError
from stealproof.oracle import Domain

TAG = b"stealproof derived triggers 1"
"""Separates these streams from every other use of SHAKE-256."""
WORD = 8
"""Bytes of one integer that is drawn by rejection."""
STEPS = 1 << 24
"""A value is one of so many equidistant ones: k / 2^24 is exact in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """What follows from one commitment and one beacon; two of them with equal fields are the same function."""

    commitment: bytes
    """What the owner fixed (and had timestamped) before the beacon; with salt, at least 16 bytes."""
    beacon: bytes
    """What somebody else drew afterwards, at least 16 bytes."""
    terms: bytes = b"{}"
    """What the claim is about, from ``canonical_terms``; the commitment must cover it."""

    def __post_init__(self) -> None:
        """Refuse a commitment or beacon that could be guessed."""
        for name in ("commitment", "beacon"):
            if len(getattr(self, name)) < 16:
                raise InputError(f"the {name} must have at least 16 bytes, got {len(getattr(self, name))}")

    def stream(self, purpose: str, number: int, size: int) -> bytes:
        """The first ``size`` bytes of the stream of this purpose and number."""
        fields = (TAG, self.commitment, self.beacon, self.terms, purpose.encode())
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in fields)
        return hashlib.shake_256(framed + number.to_bytes(8, "big")).digest(size)

    def integers(self, purpose: str, number: int, below: int) -> Iterator[int]:
        """Integers uniform in 0..below-1, without end; words that would favour the small ones are left out."""
        if not 1 <= below <= 1 << 32:
            raise InputError(f"expected to draw from 1 to 2^32 choices, got {below}")
        read, size = 0, 16 * WORD
        while True:
            # A longer digest repeats the shorter one, so reading on means asking for more.
            block = self.stream(purpose, number, size)
            for start in range(read, size, WORD):
                value = _unbiased(block[start : start + WORD], below)
                if value is not None:
                    yield value
            read, size = size, 2 * size

    def labels(self, n: int, classes: int) -> NDArray[np.int64]:
        """Labels ``(n,)``, independent and uniform over ``classes``."""
        _check_count(n)
        drawn = [next(self.integers("label", number, classes)) for number in range(n)]
        return np.asarray(drawn, dtype=np.int64)

    def noise(self, n: int, domain: Domain) -> NDArray[np.float32]:
        """Inputs ``(n, *shape)`` float32, every value independent and uniform in the domain.

        Of each 3 bytes the integer k gives the value low + (high - low) * k / 2^24, computed in float64, rounded to
        float32, and moved inside where that rounding left the box. A column with levels takes one of them instead. An
        unbounded side of the box reads as ±1, as in ``Domain.uniform``.
        """
        _check_count(n)
        low, high = bounds(domain)
        size = int(np.prod(domain.shape, dtype=np.int64))
        inside = _float32_inside(low, high)
        x = np.empty((n, size), dtype=np.float32)
        for number in range(n):
            parts = np.frombuffer(self.stream("input", number, 3 * size), dtype=np.uint8).reshape(size, 3)
            k = parts.astype(np.int64) @ np.asarray([1 << 16, 1 << 8, 1])
            x[number] = np.clip((low + (high - low) * (k / STEPS)).astype(np.float32), *inside)
            for column, values in domain.levels.items():
                x[number, column] = values[next(self.integers(f"level {column}", number, len(values)))]
        return x.reshape(n, *domain.shape)

    def rows(self, n: int, pool: int) -> NDArray[np.int64]:
        """``n`` different row numbers ``(n,)`` of a pool of this size, each ordered choice equally likely."""
        _check_count(n)
        if n > pool:
            raise InputError(f"the pool has {pool} different rows, too few for {n} triggers; ask for fewer")
        chosen, drawn = dict[int, None](), self.integers("row", 0, pool)
        while len(chosen) < n:
            chosen.setdefault(next(drawn))
        return np.asarray(list(chosen), dtype=np.int64)

    def keyed(self, purpose: str, message: bytes, below: int) -> int:
        """An integer in 0..below-1 that depends on ``message``, uniform to anybody who lacks commitment and beacon."""
        key, attempt = self.stream("key", 0, 32), 0
        while True:
            framed = len(purpose).to_bytes(8, "big") + purpose.encode() + attempt.to_bytes(8, "big") + message
            value = _unbiased(hmac.digest(key, framed, "sha256")[:WORD], below)
            if value is not None:
                return value
            attempt += 1


def canonical_terms(terms: Mapping[str, Any]) -> bytes:
    """``terms`` in canonical JSON (RFC 8785); numbers must be finite."""
    return rfc8785.dumps(dict(terms))


def bounds(domain: Domain) -> tuple[float, float]:
    """The box of ``domain``, in which an unbounded side reads as ±1."""
    low = float(domain.low) if np.isfinite(domain.low) else -1.0
    return low, float(domain.high) if np.isfinite(domain.high) else 1.0


def canonical_row(x: NDArray[Any]) -> bytes:
    """The bytes of one input: float32, little-endian, row by row, with one kind of zero."""
    return (np.asarray(x, dtype="<f4") + np.float32(0.0)).astype("<f4").tobytes()


def _unbiased(word: bytes, below: int) -> int | None:
    """``word`` modulo ``below``, or None for the last, incomplete run of remainders."""
    value, words = int.from_bytes(word, "big"), 1 << 8 * WORD
    return value % below if value < words - words % below else None


def _float32_inside(low: float, high: float) -> tuple[np.float32, np.float32]:
    """The smallest and the largest float32 in [low, high]."""
    least, most = np.float32(low), np.float32(high)
    if float(least) < low:
        least = np.nextafter(least, np.float32(np.inf))
    if float(most) > high:
        most = np.nextafter(most, np.float32(-np.inf))
    return least, most


def _check_count(n: int) -> None:
    if n < 1:
        raise InputError(f"expected at least 1 trigger, got {n}")
