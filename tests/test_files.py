from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from stealproof.errors import StorageError
from stealproof.files import sha256_file, write_atomic


def test_a_written_file_has_the_content_and_no_neighbour(tmp_path: Path) -> None:
    path = write_atomic(tmp_path / "new" / "card.json", b"{}")
    assert path.read_bytes() == b"{}"
    assert [p.name for p in path.parent.iterdir()] == ["card.json"]


def test_a_mode_is_kept(tmp_path: Path) -> None:
    path = write_atomic(tmp_path / "secret", b"x", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_atomic(tmp_path / "card.json", b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        StorageError, match=r"could not write .*card\.json: No space left on device; nothing was changed"
    ):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["card.json"]


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = write_atomic(tmp_path / "empty", b"")
    assert sha256_file(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
