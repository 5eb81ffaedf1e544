"""Commitments open to what they were made of and to nothing else."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.commitment import check_opening, commit, new_salt

SALTS = st.binary(min_size=32, max_size=32)


def test_a_vector_that_no_version_may_change() -> None:
    assert commit(b"claim", bytes(range(32))) == "4eb0b0241667c776fea996ddc10ca542818d6ba7f14c8aa693d8242f0cbb2b4e"


def test_the_commitment_is_what_the_documentation_says() -> None:
    salt, content = bytes(range(32)), b"x" * 300
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in (b"stealproof commitment 1", salt, content))
    assert commit(content, salt) == hashlib.sha256(framed).hexdigest()


@given(st.binary(), SALTS)
def test_a_commitment_opens(content: bytes, salt: bytes) -> None:
    check_opening(commit(content, salt), content, salt)


@given(st.binary(), SALTS, st.binary(), SALTS)
def test_it_opens_to_nothing_else(content: bytes, salt: bytes, other: bytes, other_salt: bytes) -> None:
    if (content, salt) == (other, other_salt):
        return
    with pytest.raises(EvidenceError, match="not what was promised"):
        check_opening(commit(content, salt), other, other_salt)


@given(st.data(), st.binary(min_size=1), SALTS)
def test_one_changed_bit_is_noticed(data: st.DataObject, content: bytes, salt: bytes) -> None:
    commitment, whole = commit(content, salt), bytearray(salt + content)
    place = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[place // 8] ^= 1 << place % 8
    with pytest.raises(EvidenceError, match="not what was promised"):
        check_opening(commitment, bytes(whole[32:]), bytes(whole[:32]))


def test_salts_are_new_each_time() -> None:
    salts = {new_salt() for _ in range(100)}
    assert {len(salt) for salt in salts} == {32}
    assert len(salts) == 100


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_salt_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(InputError, match=f"a salt has 32 bytes, got {size}"):
        commit(b"claim", bytes(size))
    with pytest.raises(EvidenceError, match=f"has 32 bytes, got {size}"):
        check_opening(commit(b"claim", bytes(32)), b"claim", bytes(size))


@pytest.mark.parametrize("change", [str.upper, lambda text: text[:-1], lambda text: text + "\n", lambda text: "é" * 64])
def test_another_spelling_of_a_commitment_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(EvidenceError, match="a commitment is 64 small hexadecimal digits"):
        check_opening(change(commit(b"claim", bytes(32))), b"claim", bytes(32))
