from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pooch
import pytest

from stealproof.data import _files
from stealproof.data._files import VARIABLE, Official
from stealproof.errors import InvalidData, MissingData
from stealproof.files import sha256_file

CONTENT = b"the official bytes"
FILES = Official(folder="letters", url="https://data.invalid/", sha256={"a.txt": hashlib.sha256(CONTENT).hexdigest()})


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of one's own, an empty cache, and no network."""

    def no_network(*arguments: Any, **keywords: Any) -> str:
        raise OSError("no network in tests")

    monkeypatch.setenv(VARIABLE, str(tmp_path / "shelf"))
    monkeypatch.setattr(_files, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(pooch, "retrieve", no_network)
    (tmp_path / "shelf" / "letters").mkdir(parents=True)
    return tmp_path


def test_a_file_is_found_in_the_named_folder_then_in_the_cache(shelf: Path) -> None:
    named, cached = shelf / "shelf" / "letters" / "a.txt", shelf / "cache" / "letters" / "a.txt"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT)
    assert FILES.path("a.txt") == cached
    named.write_bytes(CONTENT)
    assert FILES.path("a.txt") == named


def test_a_missing_file_says_where_it_is_published_and_expected(shelf: Path) -> None:
    with pytest.raises(MissingData) as caught:
        FILES.path("a.txt")
    said = str(caught.value)
    assert "the file a.txt of letters is not on this machine and could not be fetched (no network in tests)" in said
    assert "download https://data.invalid/a.txt" in said
    assert f"put it at {shelf / 'shelf' / 'letters' / 'a.txt'}" in said
    assert "\n" not in said


def test_a_file_that_nobody_publishes_is_not_looked_for_on_the_web(shelf: Path) -> None:
    with pytest.raises(MissingData, match="is not published; put it at"):
        Official(folder="letters", url="", sha256={"own.txt": ""}).path("own.txt")


def test_other_bytes_are_refused_with_the_files_name(shelf: Path) -> None:
    path = shelf / "shelf" / "letters" / "a.txt"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InvalidData, match=r"a\.txt is not the official file: expected SHA-256 \w{16}\.\.\., got"):
        FILES.path("a.txt")


def test_a_redacted_copy_is_as_good(shelf: Path) -> None:
    redacted = b"the bytes without names"
    files = Official(
        folder="letters",
        url="https://data.invalid/",
        sha256=FILES.sha256,
        also={"a.txt": hashlib.sha256(redacted).hexdigest()},
    )
    (shelf / "shelf" / "letters" / "a.txt").write_bytes(redacted)
    assert files.path("a.txt").read_bytes() == redacted


def test_a_file_is_hashed_once_until_it_changes(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Path] = []
    real = sha256_file

    def counting(path: Path) -> str:
        counted.append(path)
        return real(path)

    monkeypatch.setattr(_files, "sha256_file", counting)
    path = shelf / "shelf" / "letters" / "a.txt"
    path.write_bytes(CONTENT)
    for _ in range(3):
        FILES.path("a.txt")
    assert len(counted) == 1
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(InvalidData):
        FILES.path("a.txt")
    assert len(counted) == 2


def test_one_member_is_taken_out_of_an_archive(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = shelf / "letters.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        for name, content in (("box/a.txt", CONTENT), ("../escape.txt", b"outside")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(pooch, "retrieve", lambda *a, **k: str(packed))
    files = Official(
        folder="letters",
        url="https://data.invalid/",
        archive="letters.tar.gz",
        sha256={"box/a.txt": hashlib.sha256(CONTENT).hexdigest(), "box/b.txt": ""},
    )
    assert files.path("box/a.txt") == shelf / "cache" / "letters" / "box" / "a.txt"
    assert not list(shelf.rglob("escape.txt"))
    with pytest.raises(MissingData, match=r"has no file box/b\.txt"):
        files.path("box/b.txt")
