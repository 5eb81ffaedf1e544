"""Files that verbs write: what could not be written, or would replace another file, is refused before any work."""

from __future__ import annotations

import os
from pathlib import Path

from stealproof.errors import InputError, StorageError


def check_target(path: Path, suffix: str, *, what: str, force: bool, option: str = "--out") -> None:
    """Refuse another suffix than that of ``what``, and a file that is there."""
    if path.suffix != suffix:
        raise InputError(f"{what} is saved as {suffix}, got {option} {path}; name it {path.with_suffix(suffix)}")
    check_absent(path, force=force, option=option)


def check_absent(path: Path, *, force: bool, option: str = "--out") -> None:
    """Refuse a file that is there, unless it may be overwritten."""
    if path.exists() and not force:
        raise InputError(f"{path} is already there; choose another {option}, or overwrite it with --force")


def check_writable(path: Path) -> None:
    """Refuse a folder that can't be written to."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise StorageError(f"{folder} is no folder that can be written to; choose another place for {path.name}")
