from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stealproof.audit.output import check_folder, write_report
from stealproof.errors import StorageError

REPORT = Path(__file__).parents[1] / "reports" / "assets" / "audit.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(REPORT.read_text(encoding="utf-8"))
    return loaded


def test_three_files_are_written_and_nothing_else(tmp_path: Path, document: dict[str, Any]) -> None:
    paths = write_report(tmp_path / "new" / "report", document)
    assert sorted(path.name for path in (tmp_path / "new" / "report").iterdir()) == sorted(paths)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report"]
    assert json.loads(paths["audit.json"].read_text(encoding="utf-8")) == document


def test_an_older_report_is_replaced_and_other_files_stay(tmp_path: Path, document: dict[str, Any]) -> None:
    (tmp_path / "audit.html").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    write_report(tmp_path, document)
    assert (tmp_path / "audit.html").read_text(encoding="utf-8") != "old"
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_disk_that_refuses_leaves_nothing(
    tmp_path: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        write_report(tmp_path / "report", document)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_can_not_be_written_is_refused_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is not a folder; choose another with --out"):
        check_folder(tmp_path / "file" / "report")
    check_folder(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
