from __future__ import annotations

import dataclasses
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import EvidenceError, InputError, MissingData
from stealproof.evidence import dossier as module
from stealproof.evidence.archive import pack, unpack
from stealproof.evidence.dossier import (
    ALLOWED,
    CLAIM,
    FORMAT,
    PLAN,
    README,
    Dossier,
    check_content,
    new_dossier,
    open_dossier,
    read_evidence,
    read_statement,
)
from stealproof.evidence.drand import Round
from stealproof.evidence.envelope import sign
from stealproof.evidence.keys import PrivateKey, new_key, open_private
from stealproof.evidence.statement import PAYLOAD_TYPE, Statement

MODEL = "ab" * 32
SALT = bytes(range(32))


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    path = tmp_path_factory.mktemp("keys") / "me"
    new_key(path)
    return open_private(path)


def made(key: PrivateKey, **changes: Any) -> Dossier:
    given: dict[str, Any] = {
        "kind": CLAIM,
        "subject": "model.safetensors",
        "model": MODEL,
        "scheme": "adi2018",
        "parameters": {"triggers": 100, "pair": (1, (2, 3)), "commitment": "secret", "beacon": "secret"},
        "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "plan": b"",
    }
    return new_dossier(b"the claim", SALT, key=key, **(given | changes))


def signed(key: PrivateKey, *, kind: str = CLAIM, subject: dict[str, str] | None = None, **said: Any) -> Dossier:
    predicate: dict[str, Any] = {
        "format": FORMAT,
        "scheme": "s",
        "parameters": {},
        "commitment": "00" * 32,
        "accuser": key.key_id,
        "created": "2026-01-02T03:04:05Z",
        "plan": None,
    }
    statement = Statement(subject=subject or {"m": MODEL}, predicate_type=kind, predicate=predicate | said)
    envelope = sign(statement.to_bytes(), key, payload_type=PAYLOAD_TYPE)
    return Dossier(envelope=envelope, accuser=key.public.to_pem(), kind=CLAIM)


def test_a_dossier_says_what_was_put_into_it(key: PrivateKey) -> None:
    content = made(key).to_bytes()
    dossier = Dossier.from_bytes(content, what="it")
    said = read_statement(dossier, what="it")
    assert (said.subject, said.model, said.scheme) == ("model.safetensors", MODEL, "adi2018")
    assert said.parameters == {"triggers": 100, "pair": [1, [2, 3]]}
    assert said.created == "2026-01-02T03:04:05Z"
    assert said.key_id == key.key_id
    assert said.plan is None
    check_content(dossier, said, what="it")
    assert dossier.to_bytes() == content
    assert made(key).to_bytes() == content


def test_a_closed_dossier_shows_no_secrets_and_can_be_read(key: PrivateKey) -> None:
    closed = made(key, plan=b"bytes of a plan").closed()
    content = closed.to_bytes()
    assert b"the claim" not in content
    assert SALT not in content
    assert b"bytes of a plan" not in content
    again = Dossier.from_bytes(content, what="it")
    assert again == closed
    with pytest.raises(EvidenceError, match="closed"):
        check_content(again, read_statement(again, what="it"), what="it")


def test_a_plan_is_about_no_model_yet(key: PrivateKey) -> None:
    plan = made(key, kind=PLAN, model="")
    again = Dossier.from_bytes(plan.to_bytes(), what="it")
    said = read_statement(again, what="it")
    assert said.model == said.commitment
    assert Dossier.from_bytes(plan.closed().to_bytes(), what="it").kind == PLAN


def test_a_timestamp_is_added_without_touching_the_statement(key: PrivateKey) -> None:
    stamped = made(key).stamped(b"token")
    assert Dossier.from_bytes(stamped.to_bytes(), what="it").token == b"token"
    assert stamped.envelope == made(key).envelope


def test_a_plan_holds_the_round_of_its_token(key: PrivateKey, known_round: Round) -> None:
    bare = made(key, kind=PLAN, model="").stamped(b"token")
    held = bare.with_round(known_round)
    content = held.to_bytes()
    assert Dossier.from_bytes(content, what="it") == held
    assert Round.from_bytes(held.round, what="it") == known_round
    assert README.encode() not in content
    assert b"the round of drand that the triggers follow from" in content
    assert README.encode() in bare.to_bytes()
    assert held.stamped(b"token") == bare
    assert held.closed().round == b""


def test_a_round_stands_only_where_it_belongs(key: PrivateKey, known_round: Round) -> None:
    claim, plan = made(key).stamped(b"token"), made(key, kind=PLAN, model="").stamped(b"token")
    held = plan.with_round(known_round)
    for wrong, message in (
        (claim.with_round(known_round), "only in an open, timestamped plan"),
        (dataclasses.replace(held, token=b""), "only in an open, timestamped plan"),
        (dataclasses.replace(held, content=b"", salt=b""), "only in an open, timestamped plan"),
        (dataclasses.replace(held, round=held.round + b" "), "in another form"),
        (dataclasses.replace(held, round=b"[]"), "holds no round"),
        (dataclasses.replace(held, round=bytes(257)), "expected at most 256"),
    ):
        with pytest.raises(EvidenceError, match=message):
            Dossier.from_bytes(wrong.to_bytes(), what="it")
    files = unpack(held.to_bytes(), ALLOWED, what="it")
    for name, content, message in (
        ("README.txt", README.encode(), "another README"),
        ("round.json", b"", "is no JSON"),
    ):
        with pytest.raises(EvidenceError, match=message):
            Dossier.from_bytes(pack(files | {name: content}), what="it")
    del files["round.json"]
    with pytest.raises(EvidenceError, match="another README"):
        Dossier.from_bytes(pack(files), what="it")


@given(data=st.data())
def test_no_byte_can_be_changed_unnoticed(key: PrivateKey, data: st.DataObject) -> None:
    content = made(key, plan=b"bytes of a plan").to_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    altered = bytearray(content)
    altered[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EvidenceError):
        read(bytes(altered))


def read(content: bytes) -> None:
    dossier = Dossier.from_bytes(content, what="it")
    check_content(dossier, read_statement(dossier, what="it"), what="it")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("README.txt"), "has no README.txt"),
        (lambda f: f.pop("accuser.pub"), "has no accuser.pub"),
        (lambda f: f.update({"README.txt": b"trust me"}), "another README"),
        (lambda f: f.pop("salt"), "together with its salt"),
        (lambda f: f.pop("claim.safetensors"), "together with its salt"),
        (lambda f: f.update({"plan.json": b"{}"}), "together with its salt"),
        (lambda f: [f.pop(n) for n in ("claim.safetensors", "salt")] and f.update({"plan.dossier": b"x"}), "together"),
        (lambda f: f.update({"timestamp.tsr": b""}), "an empty file"),
        (lambda f: f.update({"salt": bytes(32)}), "not what was promised"),
        (lambda f: f.update({"plan.dossier": b"x"}), "another plan"),
    ],
)
def test_a_dossier_with_other_files_is_refused(
    key: PrivateKey, change: Callable[[dict[str, bytes]], object], message: str
) -> None:
    dossier = made(key)
    files = {
        "README.txt": README.encode(),
        "statement.dsse.json": dossier.envelope,
        "accuser.pub": dossier.accuser,
        "claim.safetensors": dossier.content,
        "salt": dossier.salt,
    }
    change(files)
    with pytest.raises(EvidenceError, match=message):
        read(pack({name: files[name] for name in ALLOWED if name in files}))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"kind": PLAN}, "is signed as"),
        ({"format": "stealproof dossier 2"}, "other fields"),
        ({"extra": 1}, "other fields"),
        ({"scheme": 7}, "a wrong kind"),
        ({"parameters": []}, "a wrong kind"),
        ({"plan": 7}, "a wrong kind"),
        ({"accuser": "somebody else"}, "another key"),
        ({"scheme": "adi\x1b[2J"}, "control characters"),
        ({"subject": {"a": MODEL, "b": MODEL}}, "2 models"),
    ],
)
def test_a_strange_statement_is_refused(key: PrivateKey, said: dict[str, Any], message: str) -> None:
    with pytest.raises(EvidenceError, match=message):
        read_statement(signed(key, **said), what="it")


def test_a_closed_dossier_of_an_unknown_kind_is_refused(key: PrivateKey) -> None:
    strange = signed(key, kind="https://stealproof.example/praise/v1")
    with pytest.raises(EvidenceError, match="praise"):
        Dossier.from_bytes(strange.to_bytes(), what="it")


def test_a_dossier_by_another_key_is_refused(key: PrivateKey, tmp_path: Path) -> None:
    new_key(tmp_path / "other")
    other = dataclasses.replace(made(key), accuser=open_private(tmp_path / "other").public.to_pem())
    with pytest.raises(EvidenceError, match="expected"):
        read_statement(other, what="it")


def test_files_are_read_with_a_limit(key: PrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.dossier"
    with pytest.raises(MissingData, match="no file"):
        open_dossier(path)
    path.write_bytes(made(key).to_bytes())
    assert open_dossier(path) == made(key)
    monkeypatch.setattr(module, "LARGEST", 10)
    with pytest.raises(EvidenceError, match="more than 10 bytes"):
        read_evidence(path)


def test_an_unreadable_file_is_an_error_of_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.dossier"
    path.write_bytes(b"x")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        read_evidence(path)
    assert stat.S_ISREG(path.stat().st_mode)
