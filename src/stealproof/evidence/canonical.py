"""Canonical JSON (RFC 8785): one spelling of every value, and a reader of only what every reader reads alike.

``canonical`` writes only what ``parse`` reads back as an equal value. So it refuses the floats from 2^53 up to 10^21,
which RFC 8785 spells like integers: past 2^53 such a spelling may stand for several of them.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import rfc8785

from stealproof.errors import EvidenceError, InputError

LARGEST = 64 * 2**20
"""Bytes of one text."""
DEEPEST = 64
"""Lists and objects within each other."""
LARGEST_INTEGER = 2**53 - 1
"""Up to here every integer is one IEEE 754 double, so that every JSON reader sees the same."""
INTEGER_DIGITS = len(str(LARGEST_INTEGER))
MARKS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""Texts, in which a bracket is none, and brackets. A text that does not end reaches to the end: else each of its
quotes would be where a search begins that reads all the rest."""
SURROGATES = re.compile("[\ud800-\udfff]")


def canonical(value: Any) -> bytes:
    """The canonical JSON of ``value``: None, booleans, integers, floats, texts, lists or tuples, and dicts by text.

    Equal values are equal bytes, and ``parse`` gives an equal value, with lists for tuples.

    Raises:
        InputError: something that JSON, or ``parse``, has no place for.
    """
    try:
        content = rfc8785.dumps(value)
        parse(content, what="the text")
    except RecursionError as error:
        raise InputError(f"this can't be written as JSON: it is nested deeper than {DEEPEST} levels") from error
    except (ValueError, EvidenceError) as error:
        raise InputError(f"this can't be written as JSON: {error}") from error
    return content


def parse(content: bytes, *, what: str) -> Any:
    """The value of a JSON text, which need not be canonical.

    Args:
        content: UTF-8 without a byte order mark, at most 64 MiB.
        what: the text in words, for messages.

    Raises:
        EvidenceError: no JSON, or JSON on whose meaning readers disagree: a key twice in one object, integers beyond
            2^53 - 1, numbers that overflow, half of a surrogate pair, nesting deeper than 64 levels.
    """
    if len(content) > LARGEST:
        raise EvidenceError(f"{what} has {len(content):,} bytes; expected at most {LARGEST:,}")
    try:
        # Given bytes, json would also read UTF-16, UTF-32 and a byte order mark.
        text = content.decode("utf-8")
        _check_depth(text, what)
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise EvidenceError(f"{what} is no UTF-8 at byte {error.start}; it may be damaged") from error
    except ValueError as error:
        raise EvidenceError(f"{what} is no JSON that every reader reads alike: {error}") from error
    _check_inside(value, what)
    return value


def digest(content: bytes) -> str:
    """The SHA-256 of ``content``, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"an object has the key {_shown(twice)} twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"it holds {name}, which is no JSON")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"it holds the number {_shown(text)}, too large for a double")
    return value


def _integer(text: str) -> int:
    # The length first: converting millions of digits takes minutes.
    if len(text.lstrip("-")) > INTEGER_DIGITS or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError(f"it holds the integer {_shown(text)}; expected at most 2^53 - 1 in size")
    return int(text)


def _check_depth(text: str, what: str) -> None:
    """Refuse deep nesting before anybody recurses: where a program has raised Python's limit, that ends in a crash."""
    depth = 0
    for mark in MARKS.finditer(text):
        if mark[0] in "[{":
            depth += 1
        elif mark[0] in "]}":
            depth -= 1
        if depth > DEEPEST:
            raise EvidenceError(f"{what} is nested deeper than {DEEPEST} levels; expected a plain document")


def _check_inside(value: Any, what: str) -> None:
    """Refuse texts that have no UTF-8, which only their values show."""
    level = [value]
    while level:
        for item in level:
            for text in item if isinstance(item, dict) else [item]:
                if isinstance(text, str) and SURROGATES.search(text):
                    raise EvidenceError(f"{what} holds half of a surrogate pair in {_shown(text)}; expected Unicode")
        level = [inner for item in level if isinstance(item, list | dict) for inner in _within(item)]


def _within(item: list[Any] | dict[str, Any]) -> Sequence[Any]:
    return list(item.values()) if isinstance(item, dict) else item


def _shown(text: str) -> str:
    """The beginning of ``text``, fit for any terminal."""
    return ascii(text[:40])
