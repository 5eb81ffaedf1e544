"""Accusers and judges who sign what they like: their evidence is refused, and no foreign error comes of it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from stealproof.cli.judge import in_words
from stealproof.court.checking import check_dossier
from stealproof.court.replay import replay
from stealproof.court.verdict_file import ALLOWED, judge_and_sign, read_verdict
from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.archive import pack, unpack
from stealproof.evidence.canonical import canonical, parse
from stealproof.evidence.dossier import CLAIM, PLAN, new_dossier
from stealproof.evidence.envelope import open_envelope, sign
from stealproof.evidence.statement import PAYLOAD_TYPE, Statement
from stealproof.inputs.claim import save_claim

STRANGE: tuple[Any, ...] = (None, True, -1, 2**53 - 1, 1e300, "", "\x1b[2J", [], [[]], {}, {"a": 1}, [None, "x"])
"""Values of every kind that JSON has."""
FREE = {"created", "versions"}
"""Words of the judge that nothing follows from."""

OPTIONAL = {"top_k", "decimals", "low", "high"}
"""Numbers or nothing."""


@pytest.fixture(scope="module")
def signed(dispute: Any) -> bytes:
    hearing = dispute.hearing(dispute.dossier(dispute.chosen), accuser=dispute.key.public.to_pem())
    suspect = dispute.copy(dispute.chosen, scores=True)
    return bytes(judge_and_sign(hearing, suspect, dispute.judge, controls=dispute.controls(2))[1])


def flips(content: bytes, seed: int, step: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for place in range(rng.randrange(step), len(content), step):
        altered = bytearray(content)
        altered[place] ^= 1 << rng.randrange(8)
        yield bytes(altered)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within ``value``."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inner:
        yield (*path, name)
        yield from places(item, (*path, name))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


def test_no_byte_of_a_verdict_can_be_flipped(signed: bytes) -> None:
    for altered in flips(signed, 0, step=17):
        with pytest.raises(EvidenceError):
            read_verdict(altered, what="it")


@pytest.mark.parametrize("name", [name for name in ALLOWED if name != "counter.dossier"])
def test_no_byte_of_a_file_within_can_be_flipped_and_packed_again(signed: bytes, name: str) -> None:
    files = unpack(signed, ALLOWED, what="it")
    for altered in flips(files[name], 1, step=1 if name == "judge.pub" else 29):
        with pytest.raises(EvidenceError):
            read_verdict(pack(files | {name: altered}), what="it")


def test_a_judge_who_signs_values_of_another_kind_is_refused(dispute: Any, signed: bytes) -> None:
    files = unpack(signed, ALLOWED, what="it")
    envelope = open_envelope(files["verdict.dsse.json"], [dispute.judge.public], payload_type=PAYLOAD_TYPE)
    statement = Statement.from_bytes(envelope)
    said = parse(canonical(dict(statement.predicate)), what="it")
    rng = random.Random(2)
    # The controls are all alike.
    paths = [path for path in places(said) if path[0] not in FREE and path[:2] != ("controls", 1)]
    for path in paths:
        old = at(said, path)
        for new in rng.sample([value for value in STRANGE if kind(value) != kind(old)], 3):
            if path[-1] in OPTIONAL and kind(new) in {"number", "NoneType"}:
                continue
            altered = dataclasses.replace(statement, predicate=changed(said, path, new))
            resigned = sign(altered.to_bytes(), dispute.judge, payload_type=PAYLOAD_TYPE)
            with pytest.raises((EvidenceError, InputError)):
                replay(pack(files | {"verdict.dsse.json": resigned}))


def kind(value: Any) -> str:
    """Of which kind a value is in JSON, where there is one of numbers."""
    return "number" if type(value) in (int, float) else type(value).__name__


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ("\ud800", "no UTF-8"),
        ("[" * 100_000, "nested deeper"),
        ("[1e20]", "names what no plan can"),
        ('{"a":1,"a":1}', "twice"),
        ("{}", "other terms than were planned"),
    ],
)
def test_an_accuser_whose_claim_has_strange_terms_is_refused(dispute: Any, terms: str, words: str) -> None:
    claim = dataclasses.replace(dispute.planned, secrets=dispute.planned.secrets | {"terms": terms})
    content = save_claim(claim, dispute.folder / "strange.claim").read_bytes()
    common: dict[str, Any] = {
        "scheme": claim.scheme,
        "parameters": claim.parameters,
        "key": dispute.key,
        "created": datetime.now(UTC),
    }
    plan = new_dossier(b"{}", bytes(32), kind=PLAN, subject="none yet", model="", **common).to_bytes()
    made = new_dossier(content, bytes(32), kind=CLAIM, subject="m", model="ab" * 32, plan=plan, **common)
    with pytest.raises(EvidenceError, match=words):
        check_dossier(made.to_bytes(), what="it")


def test_names_and_errors_can_not_write_over_a_judge_s_screen(dispute: Any, signed: bytes) -> None:
    judgement, file = replay(signed)
    findings = [dataclasses.replace(finding, words=f"\x1b[2J{finding.words}\r") for finding in judgement.findings]
    judgement = dataclasses.replace(judgement, findings=tuple(findings))
    shown = in_words(judgement, {"suspect": "\x1b[1A\nOWNED", "claim": file.said["suspect"]["name"]})
    assert shown.replace("\n", "").isprintable()
    assert "\nOWNED" not in shown
    assert shown.startswith(str(judgement.decision).upper())
