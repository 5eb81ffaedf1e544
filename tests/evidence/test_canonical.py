"""Canonical JSON as RFC 8785 prints it, and a reader that refuses whatever two readers could understand differently."""

from __future__ import annotations

import json
import struct
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import EvidenceError, InputError
from stealproof.evidence import canonical as module
from stealproof.evidence.canonical import DEEPEST, LARGEST_INTEGER, canonical, digest, parse

TEXTS = st.text()
# Between 2^53 and 10^21 floats are spelled like integers that are too large.
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not 2**53 <= abs(x) < 1e21)
SCALARS = st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | FLOATS | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)


def double(bits: str) -> float:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert isinstance(value, float)
    return value


def test_the_example_of_rfc_8785() -> None:
    text = rb"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    assert canonical(parse(text, what="the example")) == (
        rb'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        rb'"string":"'
        b"\xe2\x82\xac"
        b"$\\u000f\\nA'B"
        rb'\"\\\\\"/"}'
    )


def test_keys_are_sorted_by_utf_16_code_units_as_in_rfc_8785() -> None:
    text = rb"""{
      "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
    }"""
    assert list(parse(canonical(parse(text, what="the example")), what="it").values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


@pytest.mark.parametrize(
    ("bits", "spelling"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555554", "333333333.33333325"),
        ("41b3de4355555555", "333333333.3333333"),
        ("41b3de4355555556", "333333333.3333334"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_are_spelled_as_in_appendix_b_of_rfc_8785(bits: str, spelling: str) -> None:
    assert canonical(double(bits)) == spelling.encode()
    assert parse(spelling.encode(), what="it") == double(bits)


@pytest.mark.parametrize(
    "bits",
    [
        "7fffffffffffffff",
        "7ff0000000000000",
        "4340000000000000",
        "c340000000000000",
        "4430000000000000",
        "444b1ae4d6e2ef4e",
        "444b1ae4d6e2ef4f",
    ],
)
def test_numbers_that_are_none_or_are_spelled_like_too_large_integers_are_refused(bits: str) -> None:
    with pytest.raises(InputError, match="can't be written as JSON"):
        canonical(double(bits))


@given(VALUES)
def test_what_is_written_is_read_as_an_equal_value_and_has_one_spelling(value: Any) -> None:
    content = canonical(value)
    found = parse(content, what="it")
    assert found == value
    assert canonical(found) == content


@given(VALUES, st.sampled_from([None, 1, " "]), st.booleans())
def test_every_other_spelling_of_a_value_has_the_same_canonical_one(
    value: Any, indent: int | str | None, escaped: bool
) -> None:
    def turned(item: Any) -> Any:
        if isinstance(item, dict):
            return {name: turned(inner) for name, inner in reversed(item.items())}
        return tuple(map(turned, item)) if isinstance(item, list) else item

    other = json.dumps(turned(value), indent=indent, ensure_ascii=escaped).encode()
    assert canonical(parse(other, what="it")) == canonical(value) == canonical(turned(value))


@given(VALUES, VALUES)
def test_different_values_have_different_spellings(one: Any, other: Any) -> None:
    # 1, 1.0 and True are equal in Python; in JSON only the first two are.
    same = json.dumps(as_floats(one), sort_keys=True) == json.dumps(as_floats(other), sort_keys=True)
    assert (canonical(one) == canonical(other)) == same


def as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    return float(value) + 0.0 if isinstance(value, int | float) and not isinstance(value, bool) else value


@given(st.binary(max_size=60) | VALUES.map(canonical).flatmap(lambda text: st.just(text[:-1]) | st.just(text + text)))
def test_any_bytes_are_read_as_usual_or_refused_in_one_way(content: bytes) -> None:
    try:
        value = parse(content, what="the file")
    except EvidenceError:
        return
    assert value == json.loads(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"1 2", "Extra data"),
        (b"{}\x00", "Extra data"),
        (b"[1,]", "no JSON"),
        (b"01", "Extra data"),
        (b"'a'", "no JSON"),
        (b'"\x01"', "Invalid control character"),
        (b"\xef\xbb\xbf{}", "BOM"),
        ('{"a":1}'.encode("utf-16"), "no UTF-8 at byte 0"),
        (b'"ab\xc0\xaf"', "no UTF-8 at byte 3"),
        (b'"\xed\xa0\x80"', "no UTF-8 at byte 1"),
        (b'"\\ud800"', "half of a surrogate pair in '.ud800'"),
        (b'{"a":[{"\\udc00":1}]}', "half of a surrogate pair in '.udc00'"),
        (b'{"a":1,"b":2,"\\u0061":1}', "an object has the key 'a' twice"),
        (b'[{"a":{"b":1,"b":1}}]', "an object has the key 'b' twice"),
        (b"NaN", "it holds NaN"),
        (b"[-Infinity]", "it holds -Infinity"),
        (b"1e400", "the number '1e400', too large"),
        (b"-1e400", "the number '-1e400', too large"),
        (b"9007199254740992", r"the integer '9007199254740992'; expected at most 2\^53"),
        (b"-9007199254740992", r"the integer '-9007199254740992'; expected at most 2\^53"),
        (b"1" * 10_000_000, "the integer '1{40}'"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64 levels"),
        (b"[" * 1_000_000, "nested deeper than 64 levels"),
    ],
)
def test_what_readers_could_disagree_on_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(EvidenceError, match=f"^the envelope .*{words}"):
        parse(content, what="the envelope")


def test_deep_nesting_is_no_crash_where_a_program_has_raised_the_recursion_limit() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        with pytest.raises(EvidenceError, match="nested deeper than 64 levels"):
            parse(b"[" * 1_000_000, what="the envelope")
    finally:
        sys.setrecursionlimit(limit)


def test_brackets_in_texts_are_no_nesting() -> None:
    text = '[{"' * 100 + "\\"
    assert parse(json.dumps([text]).encode(), what="the text") == [text]


def test_limits_include_what_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(b"[9007199254740991,-9007199254740991]", what="it") == [2**53 - 1, 1 - 2**53]
    content = b"[" * DEEPEST + b"1" + b"]" * DEEPEST
    assert canonical(parse(content, what="it")) == content
    assert parse(b'"\\ud83d\\ude00"', what="it") == "\U0001f600"
    monkeypatch.setattr(module, "LARGEST", 20)
    assert parse(b"1" + b" " * 19, what="it") == 1
    with pytest.raises(EvidenceError, match=r"^it has 21 bytes; expected at most 20"):
        parse(b"1" + b" " * 20, what="it")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "nan is not representable"),
        (float("-inf"), "inf is not representable"),
        (2**53, "9007199254740992 exceeds"),
        (b"ab", "unsupported type"),
        ({1: 2}, "object keys must be strings"),
        ("\ud800", "non-UTF-8"),
        ({"\udfff": 1}, "surrogates not allowed"),
        (json.loads("[" * 65 + "]" * 65), "nested deeper than 64 levels"),
    ],
)
def test_what_json_has_no_place_for_is_refused(value: Any, words: str) -> None:
    with pytest.raises(InputError, match=f"can't be written as JSON: .*{words}"):
        canonical(value)


def test_a_value_within_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InputError, match="nested deeper than 64 levels"):
        canonical(endless)


def test_digest_is_sha_256() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_text_that_does_not_end_is_read_once() -> None:
    """From each of its quotes on, a search for its end would read all the rest: an hour for a mebibyte."""
    content = b'{"a": "' + b'\\"' * 2**19
    with pytest.raises(EvidenceError, match="no JSON"):
        parse(content, what="it")
