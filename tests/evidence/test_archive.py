from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import EvidenceError, InputError
from stealproof.evidence import archive
from stealproof.evidence.archive import DATE, pack, unpack

ALLOWED = {"a.txt": 1000, "b.bin": 1000}


def zipped(build: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        build(made)
    return buffer.getvalue()


def twice(made: zipfile.ZipFile) -> None:
    for content in ("x", "y"):
        made.writestr(zipfile.ZipInfo("a.txt", DATE), content)


@given(st.dictionaries(st.sampled_from(sorted(ALLOWED)), st.binary(max_size=100)))
def test_what_is_packed_is_unpacked_and_equal_entries_are_equal_bytes(found: dict[str, bytes]) -> None:
    entries = {name: found[name] for name in ALLOWED if name in found}
    content = pack(entries)
    assert unpack(content, ALLOWED, what="it") == entries
    assert pack(dict(entries)) == content


def test_every_flipped_bit_is_noticed() -> None:
    entries = {"a.txt": b"words", "b.bin": bytes(range(40))}
    content = pack(entries)
    for place in range(len(content)):
        for bit in range(8):
            altered = bytearray(content)
            altered[place] ^= 1 << bit
            try:
                # The archive itself only promises one way to write down what it holds.
                assert pack(unpack(bytes(altered), ALLOWED, what="it")) == bytes(altered)
            except EvidenceError:
                continue


@pytest.mark.parametrize("end", range(0, 180, 7))
def test_an_archive_that_was_cut_short_is_refused(end: int) -> None:
    content = pack({"a.txt": b"words", "b.bin": b"more"})
    with pytest.raises(EvidenceError):
        unpack(content[:end], ALLOWED, what="it")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no archive"),
        (b"PK\x05\x06" + b"\xff" * 18, "it"),
        (zipped(lambda z: z.writestr("../../etc/passwd", b"x")), "holds an entry '../../etc/passwd'"),
        (zipped(lambda z: z.writestr(zipfile.ZipInfo("A.TXT", DATE), b"x")), "holds an entry"),
        (
            zipped(lambda z: z.writestr("a.txt", b"0" * 900, compress_type=zipfile.ZIP_DEFLATED)),
            "compressed",
        ),
        (zipped(lambda z: z.writestr(zipfile.ZipInfo("a.txt", DATE), b"0" * 2000)), "2,000 bytes"),
        (zipped(lambda z: z.writestr(zipfile.ZipInfo("a.txt", (2020, 1, 1, 0, 0, 0)), b"x")), "may be altered"),
        (zipped(twice), "altered"),
        (pack({"a.txt": b"x"}) + b" ", "it"),
        (b" " + pack({"a.txt": b"x"}), "altered"),
        (pack({"b.bin": b"x", "a.txt": b"y"}), "another order than a.txt, b.bin"),
    ],
)
def test_a_strange_archive_is_refused_and_the_message_says_why(content: bytes, message: str) -> None:
    with pytest.raises(EvidenceError, match=message):
        unpack(content, ALLOWED, what="it")


def test_size_is_limited_on_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    content = pack({"a.txt": b"x" * 100})
    monkeypatch.setattr(archive, "LARGEST", 50)
    with pytest.raises(InputError, match="at most 50 bytes"):
        pack({"a.txt": b"x" * 100})
    with pytest.raises(EvidenceError, match="expected at most 50"):
        unpack(content, ALLOWED, what="it")
