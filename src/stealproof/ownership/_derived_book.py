"""What a claim to derived triggers holds, how it is made, and how a judge makes it again instead of believing it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import EvidenceError, InputError, InvalidData
from stealproof.evidence.derivation import Derivation, bounds, canonical_row, canonical_terms
from stealproof.oracle import Domain
from stealproof.roles.trial import Trial

CHANCES = 1 << 32
"""A query is marked when its keyed integer below this one is small."""
FOLLOWING = ("noise", "natural")
"""Modes in which nobody chooses the inputs."""
MISREAD = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, MemoryError, InputError)
"""What terms of another structure than ours raise."""


def noise_book(secrets: Mapping[str, str], n: int, domain: Domain, classes: int) -> dict[str, Any]:
    """The claim to ``n`` triggers that are noise in ``domain``."""
    low, high = bounds(domain)
    levels = {str(column): [float(value) for value in values] for column, values in domain.levels.items()}
    box = {"shape": list(domain.shape), "low": low, "high": high, "levels": levels}
    book = _book(secrets, {"mode": "noise", "classes": _enough(classes), **box})
    derivation = _derivation(book)
    inputs = derivation.noise(n, domain)
    if len({canonical_row(row) for row in inputs}) < n:
        raise InputError(f"the domain has too few different inputs for {n} triggers; ask for fewer")
    return book | {"inputs": inputs, "labels": derivation.labels(n, classes)}


def pool_book(
    secrets: Mapping[str, str], n: int, pool: NDArray[Any], classes: int
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """The claim to ``n`` rows of ``pool``, and the numbers of the rows that are no triggers, nor equal to one."""
    digests = [hashlib.sha256(canonical_row(row)).digest() for row in pool]
    first: dict[bytes, int] = {}
    for number, digest in enumerate(digests):
        first.setdefault(digest, number)
    listed = np.frombuffer(b"".join(first), dtype=np.uint8).reshape(-1, 32)
    book = _book(secrets, {"mode": "natural", "classes": _enough(classes), "pool": _hexdigest(listed)})
    derivation = _derivation(book)
    different = np.asarray(list(first.values()))
    rows = different[derivation.rows(n, len(different))]
    chosen = {digests[row] for row in rows}
    left = np.asarray([number for number, digest in enumerate(digests) if digest not in chosen], dtype=np.int64)
    inputs = np.ascontiguousarray(pool[rows], dtype=np.float32)
    return book | {"inputs": inputs, "labels": derivation.labels(n, classes), "pool": listed}, left


def api_book(secrets: Mapping[str, str], rate: float, shape: tuple[int, ...], classes: int) -> dict[str, Any]:
    """The claim to the queries that will be marked, none so far."""
    book = _book(secrets, {"mode": "api", "classes": _enough(classes), "shape": list(shape), "rate": rate})
    return book | {"inputs": np.zeros((0, *shape), dtype=np.float32), "labels": np.zeros(0, dtype=np.int64)}


def served_labels(book: Mapping[str, Any], queries: NDArray[Any]) -> list[int | None]:
    """The derived label of each query, or None where the model's own answer stands."""
    derivation, terms = _derivation(book), json.loads(book["terms"])
    below = round(terms["rate"] * CHANCES)
    labels: list[int | None] = []
    for row in map(canonical_row, queries):
        marked = derivation.keyed("mark", row, CHANCES) < below
        labels.append(derivation.keyed("label", row, terms["classes"]) if marked else None)
    return labels


def record(book: dict[str, Any], queries: NDArray[Any], labels: NDArray[np.int64]) -> None:
    """Add marked queries to the claim in order of arrival, each input once."""
    known, new = {canonical_row(row) for row in book["inputs"]}, []
    for number, row in enumerate(map(canonical_row, queries)):
        if row not in known:
            known.add(row)
            new.append(number)
    book["inputs"] = np.concatenate([book["inputs"], np.asarray(queries[new], dtype=np.float32)])
    book["labels"] = np.concatenate([book["labels"], labels[new]])


def inputs_follow(terms: str) -> bool:
    """Whether inputs, too, follow from commitment and beacon; at the API it is clients who send them."""
    try:
        return json.loads(terms)["mode"] in FOLLOWING
    except MISREAD:
        return False


def regenerated(trial: Trial) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
    """Inputs, labels and number of classes as they follow from the claim's commitment, beacon and terms.

    Raises:
        EvidenceError: the terms can't be read, or the claim's own inputs or labels are others.
    """
    inputs, labels = trial.secret("inputs"), np.asarray(trial.secret("labels"))
    book = {name: trial.secret(name) for name in ("mode", "commitment", "beacon", "terms")}
    try:
        derivation, terms = _derivation(book), json.loads(book["terms"])
        n, classes = len(inputs), int(terms["classes"])
        if terms["mode"] == "noise":
            if tuple(terms["shape"]) != tuple(inputs.shape[1:]):
                raise ValueError(f"shape {terms['shape']} of inputs of shape {inputs.shape[1:]}")
            levels = {int(column): tuple(values) for column, values in terms["levels"].items()}
            domain = Domain(shape=tuple(terms["shape"]), low=terms["low"], high=terms["high"], levels=levels)
            expected = derivation.noise(n, domain)
            same = np.array_equal(expected, inputs)
            made = derivation.labels(n, classes)
        elif terms["mode"] == "natural":
            same = _drawn_from(trial.secret("pool"), terms["pool"], derivation, inputs)
            made = derivation.labels(n, classes)
        else:
            served = served_labels(book, inputs)
            same = None not in served
            made = np.asarray([-1 if label is None else label for label in served], dtype=np.int64)
    except MISREAD as error:
        raise EvidenceError(f"the claim's terms can't be read ({error}); expected what the scheme wrote") from error
    if not same:
        raise EvidenceError("the claim's inputs are not those that follow from its commitment and beacon")
    if not np.array_equal(made, labels):
        raise EvidenceError("the claim's labels are not those that follow from its commitment and beacon")
    return np.asarray(inputs, dtype=np.float32), made, classes


def _book(secrets: Mapping[str, str], terms: Mapping[str, Any]) -> dict[str, Any]:
    return dict(secrets) | {"mode": terms["mode"], "terms": canonical_terms(terms).decode()}


def _derivation(book: Mapping[str, Any]) -> Derivation:
    return Derivation(
        commitment=_from_hex("commitment", book["commitment"]),
        beacon=_from_hex("beacon", book["beacon"]),
        terms=book["terms"].encode(),
    )


def _drawn_from(listed: Any, root: str, derivation: Derivation, inputs: Any) -> bool:
    """Whether ``inputs`` are the derived rows of the pool with the digests ``(N, 32)`` that hash to ``root``."""
    rows = derivation.rows(len(inputs), len(listed))
    found = [hashlib.sha256(canonical_row(row)).digest() for row in inputs]
    return _hexdigest(listed) == root and found == [bytes(listed[row]) for row in rows]


def _from_hex(name: str, text: str) -> bytes:
    """The bytes of a hexadecimal parameter."""
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InputError(f"the {name} must be hexadecimal, got {text!r}") from error


def _hexdigest(listed: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(listed).tobytes()).hexdigest()


def _enough(classes: int) -> int:
    if classes < 2:
        raise InvalidData(f"derived triggers need a model of at least 2 classes, got {classes}")
    return classes
