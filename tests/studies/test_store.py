from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from stealproof.errors import StorageError
from stealproof.studies.store import Store, default_folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_reads_what_was_written(store: Store) -> None:
    assert store.read("cells", "ab12") is None
    store.write("cells", "ab12", {"x": [1, 2.5, None], "y": {"z": "text"}})
    assert store.read("cells", "ab12") == {"x": [1, 2.5, None], "y": {"z": "text"}}
    assert store.path("cells", "ab12") == store.folder / "cells" / "ab" / "ab12.json"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"content": 1}', '{"sha256": "0", "content": {"x": 1}}', "\xff"])
def test_never_trusts_a_damaged_entry(store: Store, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    store.write("cells", "ab12", {"x": 1})
    store.path("cells", "ab12").write_bytes(damage.encode("latin-1"))
    with caplog.at_level(logging.WARNING):
        assert store.read("cells", "ab12") is None
    assert "is damaged" in caplog.text


def test_says_what_it_could_not_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file")
    with pytest.raises(StorageError, match="could not write"):
        store.write("cells", "ab12", {})
    with pytest.raises(StorageError, match="choose another STEALPROOF_CACHE"), store.lock("cells", "ab12"):
        pass


def test_a_lock_is_held_by_one_at_a_time(store: Store) -> None:
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait(5)
        with store.lock("victims", "ab12"):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with store.lock("victims", "ab12"):
        inside.set()
        thread.join(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_the_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STEALPROOF_CACHE", str(tmp_path / "elsewhere"))
    assert default_folder() == tmp_path / "elsewhere"
    monkeypatch.delenv("STEALPROOF_CACHE")
    assert default_folder().parts[-2:] == ("stealproof", "studies")
