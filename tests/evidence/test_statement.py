from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import EvidenceError
from stealproof.evidence.canonical import canonical
from stealproof.evidence.statement import TYPE, Statement

DIGEST = "ab" * 32
GOOD = Statement(
    subject={"victim": DIGEST, "other": "0" * 64},
    predicate_type="https://example.org/claim/v1",
    predicate={"scheme": "adi_2018", "n": 100},
)


def changed(**fields: Any) -> bytes:
    """The good statement with other fields; a field that is None is left out."""
    value = {**json.loads(GOOD.to_bytes()), **fields}
    return canonical({name: content for name, content in value.items() if content is not None})


def subject(name: Any = "victim", digest: Any = DIGEST) -> dict[str, Any]:
    return {"digest": {"sha256": digest}, "name": name}


def test_a_statement_is_an_in_toto_statement() -> None:
    assert json.loads(GOOD.to_bytes()) == {
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": {"n": 100, "scheme": "adi_2018"},
        "predicateType": "https://example.org/claim/v1",
        "subject": [subject("other", "0" * 64), subject()],
    }


def test_a_statement_comes_back() -> None:
    assert Statement.from_bytes(GOOD.to_bytes()) == GOOD
    urn = Statement(subject={"m": DIGEST}, predicate_type="urn:example:claim:1")
    assert Statement.from_bytes(urn.to_bytes()) == urn


@given(
    names=st.dictionaries(st.text(min_size=1, max_size=8), st.binary(min_size=32, max_size=32), min_size=1, max_size=4),
    said=st.dictionaries(st.text(max_size=5), st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5) | st.none()),
)
def test_equal_statements_are_equal_bytes_whatever_the_order(names: dict[str, bytes], said: dict[str, Any]) -> None:
    digests = {name: digest.hex() for name, digest in names.items()}
    one = Statement(subject=digests, predicate_type="urn:x:y", predicate=said)
    backwards = dict(reversed(said.items()))
    two = Statement(subject=dict(reversed(digests.items())), predicate_type="urn:x:y", predicate=backwards)
    assert one.to_bytes() == two.to_bytes()
    assert Statement.from_bytes(one.to_bytes()) == one


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=4) | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    value=st.fixed_dictionaries(
        {
            "_type": st.just(TYPE) | ANYTHING,
            "predicate": st.dictionaries(st.text(max_size=3), ANYTHING, max_size=3) | ANYTHING,
            "predicateType": st.just("urn:x:y") | ANYTHING,
            "subject": st.lists(st.fixed_dictionaries({"digest": ANYTHING, "name": ANYTHING}), max_size=2) | ANYTHING,
        }
    )
)
def test_whatever_stands_in_a_statement_it_is_refused_or_comes_back(value: dict[str, Any]) -> None:
    content = json.dumps(value).encode()
    try:
        statement = Statement.from_bytes(content)
    except EvidenceError:
        return
    assert statement.to_bytes() == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[]", "must be a JSON object of exactly"),
        (changed(predicate=None), "must be a JSON object of exactly"),
        (changed(critical=["new"]), "must be a JSON object of exactly"),
        (changed(_type=TYPE.replace("v1", "v0.1")), "_type must be"),
        (changed(subject="victim"), "must be a list"),
        (changed(subject=[]), "has no subject"),
        (changed(subject=["victim"]), "exactly a digest and a name"),
        (changed(subject=[{**subject(), "uri": "x"}]), "exactly a digest and a name"),
        (changed(subject=[{"name": "victim", "digest": DIGEST}]), "exactly one digest"),
        (changed(subject=[{"name": "victim", "digest": {"md5": DIGEST}}]), "exactly one digest"),
        (changed(subject=[subject(5)]), "must be different texts"),
        (changed(subject=[subject(), subject()]), "must be different texts"),
        (changed(subject=[subject("")]), "must have a name"),
        (changed(subject=[subject(digest=DIGEST.upper())]), "64 lower-case hexadecimal"),
        (changed(subject=[subject(digest=7)]), "64 lower-case hexadecimal"),
        (changed(predicateType="claim"), "must be a URI"),
        (changed(predicateType=7), "must be a URI"),
        (changed(predicate=[1]), "predicate must be a JSON object"),
        (changed(subject=[subject("b"), subject("a")]), "not in its canonical form"),
        (GOOD.to_bytes().replace(b":100", b":1e20"), "no canonical form"),
        (GOOD.to_bytes() + b"\n", "not in its canonical form"),
        (GOOD.to_bytes().replace(b":100", b":1e2"), "not in its canonical form"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(content: bytes, words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        Statement.from_bytes(content)


def test_a_subject_without_a_text_as_name_is_refused() -> None:
    with pytest.raises(EvidenceError, match="must have a name"):
        Statement(subject={5: DIGEST}, predicate_type="urn:x:y")  # type: ignore[dict-item]
