"""A hostile stranger changes bytes of a dossier: it is noticed, or they stand where nobody reads and change nothing."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from stealproof.errors import EvidenceError
from stealproof.evidence.archive import DATE, pack, unpack
from stealproof.evidence.beacon import check_beacon, drand_beacon
from stealproof.evidence.dossier import ALLOWED, CLAIM, PLAN, Dossier, check_content, new_dossier, read_statement
from stealproof.evidence.drand import Round
from stealproof.evidence.keys import PrivateKey, new_key, open_private
from stealproof.evidence.timestamp import check_token

SALT = bytes(range(32))
PARTS = ("README.txt", "statement.dsse.json", "accuser.pub", "claim.safetensors", "salt", "plan.dossier")
"""Of a dossier, all but the token, of which some bytes are covered by no signature."""


@pytest.fixture(scope="module", params=["ed25519", "ecdsa-p256"])
def key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    path = tmp_path_factory.mktemp("keys") / "me"
    new_key(path, algorithm=request.param)
    return open_private(path)


@pytest.fixture(scope="module")
def whole(key: PrivateKey, tsa: Any) -> bytes:
    """A dossier with a real token, and with the plan of another one."""
    common: dict[str, Any] = {"scheme": "s", "parameters": {"n": 1}, "key": key, "created": datetime.now(UTC)}
    plan = new_dossier(b"{}", SALT, kind=PLAN, subject="none yet", model="", **common)
    inside = plan.stamped(tsa.stamp(plan.envelope)).to_bytes()
    made = new_dossier(b"secrets", SALT, kind=CLAIM, subject="m", model="ab" * 32, plan=inside, **common)
    return made.stamped(tsa.stamp(made.envelope)).to_bytes()


@pytest.fixture(scope="module")
def plan(key: PrivateKey, tsa: Any, known_round: Round) -> bytes:
    """A plan with a real token, and with the real round of drand that this leads to."""
    made = new_dossier(
        b"{}", SALT, kind=PLAN, subject="none yet", model="", scheme="s", parameters={}, key=key,
        created=datetime.now(UTC),
    )  # fmt: skip
    return made.stamped(tsa.stamp_before(made.envelope, known_round)).with_round(known_round).to_bytes()


def findings(content: bytes, tsa: Any) -> tuple[object, ...]:
    """All that a stranger reads in an open dossier."""
    dossier = Dossier.from_bytes(content, what="it")
    said = read_statement(dossier, what="it")
    check_content(dossier, said, what="it")
    stamp = check_token(dossier.token, dossier.envelope, roots=tsa.roots)
    if dossier.round:
        check_beacon(drand_beacon(Round.from_bytes(dossier.round, what="it")), dossier.token)
    return said, dossier.content, dossier.round, stamp


def flips(content: bytes, seed: int, step: int = 1) -> Iterator[bytes]:
    """``content`` with one bit changed, in every ``step``-th byte."""
    rng = random.Random(seed)
    for place in range(rng.randrange(step), len(content), step):
        altered = bytearray(content)
        altered[place] ^= 1 << rng.randrange(8)
        yield bytes(altered)


def test_no_byte_of_the_file_can_be_flipped(whole: bytes, tsa: Any) -> None:
    for altered in flips(whole, 0):
        with pytest.raises(EvidenceError):
            findings(altered, tsa)


def test_no_byte_of_a_plan_with_a_round_can_be_flipped(plan: bytes, tsa: Any) -> None:
    for altered in flips(plan, 3):
        with pytest.raises(EvidenceError):
            findings(altered, tsa)


@pytest.mark.parametrize("name", ["README.txt", "round.json"])
def test_no_byte_of_a_round_can_be_flipped_and_packed_again(plan: bytes, tsa: Any, name: str) -> None:
    files = unpack(plan, ALLOWED, what="it")
    assert findings(plan, tsa)
    for altered in flips(files[name], 4):
        with pytest.raises(EvidenceError):
            findings(pack(files | {name: altered}), tsa)


def test_a_flipped_byte_of_a_token_leads_to_no_other_round(plan: bytes, tsa: Any) -> None:
    files, expected = unpack(plan, ALLOWED, what="it"), findings(plan, tsa)
    for altered in flips(files["timestamp.tsr"], 5, step=5):
        try:
            found = findings(pack(files | {"timestamp.tsr": altered}), tsa)
        except EvidenceError:
            continue
        assert found == expected


@pytest.mark.parametrize("name", PARTS)
def test_no_byte_of_a_file_within_can_be_flipped_and_packed_again(whole: bytes, tsa: Any, name: str) -> None:
    files = unpack(whole, ALLOWED, what="it")
    for altered in flips(files[name], 1, step=41 if name == "plan.dossier" else 1):
        with pytest.raises(EvidenceError):
            findings(pack(files | {name: altered}), tsa)


def test_a_flipped_byte_of_the_token_is_noticed_or_changes_no_finding(whole: bytes, tsa: Any) -> None:
    files, expected = unpack(whole, ALLOWED, what="it"), findings(whole, tsa)
    accepted, tried = 0, 0
    for altered in flips(files["timestamp.tsr"], 2, step=5):
        tried += 1
        try:
            found = findings(pack(files | {"timestamp.tsr": altered}), tsa)
        except EvidenceError:
            continue
        accepted += 1
        assert found == expected
    assert accepted < tried // 4


def test_no_file_can_be_taken_from_another_dossier(whole: bytes, key: PrivateKey, tsa: Any) -> None:
    files = unpack(whole, ALLOWED, what="it")
    other = new_dossier(
        b"others", bytes(32), kind=CLAIM, subject="m", model="cd" * 32, scheme="s", parameters={"n": 1}, key=key,
        created=datetime(2020, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    taken = unpack(other.stamped(tsa.stamp(other.envelope)).to_bytes(), ALLOWED, what="it")
    for name in set(taken) - {"README.txt", "accuser.pub"}:
        with pytest.raises(EvidenceError):
            findings(pack(files | {name: taken[name]}), tsa)


def test_a_dossier_that_was_cut_or_goes_on_is_refused(whole: bytes) -> None:
    for altered in (*(whole[:end] for end in range(0, len(whole), 97)), whole + b"\0", b"\0" + whole, whole + whole):
        with pytest.raises(EvidenceError):
            Dossier.from_bytes(altered, what="it")


@pytest.mark.parametrize("times", [2, 1000, 300_000])
def test_a_directory_that_names_its_entries_again_and_again_is_refused_at_once(whole: bytes, times: int) -> None:
    """Each of them would be read anew, so that a small file would keep a judge busy for days."""
    fields = struct.unpack("<4s4H2LH", whole[-22:])
    size, offset = fields[5], fields[6]
    directory, count = whole[offset : offset + size] * times, fields[4] * times % 65536
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), offset, 0)
    with pytest.raises(EvidenceError, match=r"names an entry twice|directory is not at its end"):
        Dossier.from_bytes(whole[:offset] + directory + end, what="it")


@pytest.mark.parametrize(
    "name",
    ["../salt", "/etc/passwd", "C:\\salt", "salt/", "./salt", "salt\0.txt", "SALT", "s\u0430lt", "salt "],
)
def test_an_entry_of_a_name_that_leads_elsewhere_is_refused(whole: bytes, name: str) -> None:
    files = unpack(whole, ALLOWED, what="it")
    del files["salt"]
    with pytest.raises(EvidenceError):
        Dossier.from_bytes(zipped([*files.items(), (name, SALT)]), what="it")


def test_entries_twice_links_comments_and_bombs_are_refused(whole: bytes) -> None:
    files = list(unpack(whole, ALLOWED, what="it").items())
    assert zipped(files) == whole
    link = 0o120777 << 16
    for altered in (
        zipped([*files, files[-1]]),
        zipped(files[::-1]),
        zipped(files, external_attr=link),
        zipped(files, comment=b"by the way"),
        zipped(files, extra=b"\x99\x99\x02\x00ab"),
        zipped(files, compress_type=zipfile.ZIP_DEFLATED),
        zipped([("README.txt", bytes(1 << 27))], compress_type=zipfile.ZIP_DEFLATED),
        zipped([("README.txt", bytes((1 << 20) + 1))]),
    ):
        with pytest.raises(EvidenceError):
            Dossier.from_bytes(altered, what="it")


@pytest.mark.parametrize("words", ["\x1b[2Kowned", "m\n8. decision: owned", "m\u202edenwo"])
def test_names_that_could_write_over_a_judge_s_screen_are_refused(key: PrivateKey, words: str) -> None:
    common: dict[str, Any] = {"kind": CLAIM, "model": "ab" * 32, "parameters": {}, "created": datetime.now(UTC)}
    choices: list[dict[str, Any]] = [{"subject": words, "scheme": "s"}, {"subject": "m", "scheme": words}]
    for names in choices:
        with pytest.raises(EvidenceError, match="control characters"):
            read_statement(new_dossier(b"secrets", SALT, key=key, **names, **common), what="it")


def zipped(files: Iterable[tuple[str, bytes]], comment: bytes = b"", **changes: Any) -> bytes:
    """A zip as dossiers are, but for ``changes`` of its last entry."""
    buffer, files = io.BytesIO(), list(files)
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for number, (name, content) in enumerate(files, 1):
            info = zipfile.ZipInfo("x", DATE)
            info.filename, info.create_system, info.external_attr = name, 3, 0o100600 << 16
            for field, value in changes.items() if number == len(files) else ():
                setattr(info, field, value)
            archive.writestr(info, content)
        archive.comment = comment
    return buffer.getvalue()
