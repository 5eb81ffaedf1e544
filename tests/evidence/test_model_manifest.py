from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from stealproof.errors import InputError
from stealproof.evidence.model_manifest import model_digest
from stealproof.files import sha256_file

# Of the two models below, as model-signing 1.1.1 computes it:
# Payload(model_signing.hashing.hash(path)).statement.pb.subject[0].digest["sha256"]
SIGNED_FOLDER = "435e8e1656a53745496c1daaa97ea67853e644c6255d2fb00e157cdaaf233a1f"
SIGNED_FILE = "59f3d85be3f9f90be09b43a08eb32a38a952135242e650039e4c4ccefd93d0a3"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    for name, content in {
        "model.safetensors": b"weights",
        "card.json": b"{}",
        # The order of paths is folder by folder: a/z before a.txt, although "." sorts before "/".
        "a/z": b"1",
        "a.txt": b"2",
        "a-b/c": b"3",
        "Z": b"4",
        "é": b"5",
        "a/.hidden": b"6",
        "deep/er/.git/kept": b"7",
        "deep/.gitignore": b"8",
        "deep/.gitattributes/x": b"9",
        # What belongs to git at the top is left out.
        ".git/config": b"x",
        ".github/workflow": b"x",
        ".gitignore": b"x",
        ".gitattributes": b"x",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def test_a_folder_has_the_digest_that_model_signing_signs(folder: Path) -> None:
    assert model_digest(folder) == SIGNED_FOLDER


def test_a_file_has_the_digest_that_model_signing_signs(folder: Path) -> None:
    path = folder / "model.safetensors"
    assert model_digest(path) == SIGNED_FILE
    assert model_digest(path) == hashlib.sha256(bytes.fromhex(sha256_file(path))).hexdigest()


def test_what_belongs_to_git_may_change(folder: Path) -> None:
    (folder / ".git" / "config").write_bytes(b"y")
    assert model_digest(folder) == SIGNED_FOLDER


def test_a_changed_an_added_and_a_missing_file_change_the_digest(folder: Path) -> None:
    digests = {model_digest(folder)}
    (folder / "a.txt").write_bytes(b"two")
    digests.add(model_digest(folder))
    (folder / "more").write_bytes(b"")
    digests.add(model_digest(folder))
    (folder / "Z").unlink()
    digests.add(model_digest(folder))
    assert len(digests) == 4


def test_files_of_one_folder_can_be_checked_by_hand(tmp_path: Path) -> None:
    for name in ("b", "a", "C"):
        (tmp_path / name).write_text(name)
    command = "LC_ALL=C sha256sum * | cut -c 1-64 | tr -d '\\n' | xxd -r -p | sha256sum"
    by_hand = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert by_hand.split()[0] == model_digest(tmp_path)


@pytest.mark.parametrize("target", ["card.json", "a", "nowhere"])
def test_a_link_is_refused(folder: Path, target: str) -> None:
    (folder / "link").symlink_to(folder / target)
    with pytest.raises(InputError, match="has the link"):
        model_digest(folder)
    with pytest.raises(InputError, match="has the link"):
        model_digest(folder / "link")


def test_what_is_no_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        model_digest(folder)
    with pytest.raises(InputError, match="neither a file nor a folder"):
        model_digest(folder / "nowhere")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with pytest.raises(InputError, match="is an empty folder"):
        model_digest(tmp_path)


def test_a_file_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("stealproof.evidence.model_manifest.sha256_file", refuse)
    with pytest.raises(InputError, match=r"could not read .*: Permission denied"):
        model_digest(folder)
