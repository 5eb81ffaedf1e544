"""Store: finished work on disk, found by the digest of its description and checked when it is read."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rfc8785

from stealproof.errors import StorageError
from stealproof.files import write_atomic

VARIABLE = "STEALPROOF_CACHE"
"""Environment variable that names the folder; without it, the user's cache folder."""

log = logging.getLogger(__name__)


class Store:
    """JSON entries and room for model files, in one folder. Any number of processes may share it."""

    def __init__(self, folder: Path | None = None) -> None:
        """``folder`` is made when the first entry is written."""
        self.folder = folder or default_folder()

    def read(self, kind: str, key: str) -> Any | None:
        """The entry of this key, or None when there is none or it is damaged (which is logged, never trusted)."""
        path = self.path(kind, key)
        try:
            entry = json.loads(path.read_bytes())
            if entry["sha256"] != _digest(entry["content"]):
                raise ValueError("its digest is another")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the stored %s %s is damaged (%s); computing it again", kind, path, error)
            return None
        return entry["content"]

    def write(self, kind: str, key: str, content: Mapping[str, Any]) -> None:
        """Keep ``content`` (JSON types, no NaN) under this key, in one piece.

        Raises:
            StorageError: the disk refuses; an older entry is then as it was.
        """
        entry = {"sha256": _digest(content), "content": content}
        write_atomic(self.path(kind, key), json.dumps(entry, allow_nan=False).encode())

    def path(self, kind: str, key: str, suffix: str = ".json") -> Path:
        """Where the entry lies: ``folder/kind/ab/abcdef....json``."""
        return self.folder / kind / key[:2] / f"{key}{suffix}"

    @contextmanager
    def lock(self, kind: str, key: str) -> Iterator[None]:
        """Hold this entry alone among all processes; a process that dies lets go."""
        path = self.path(kind, key, ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("wb")
        except OSError as error:
            raise StorageError(f"could not make {path}: {error.strerror}; choose another {VARIABLE}") from error
        with file:
            # Without flock two processes may do the same work twice, which costs time but harms nothing.
            if sys.platform != "win32":
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def default_folder() -> Path:
    """``STEALPROOF_CACHE``, else the user's cache folder of this platform."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("stealproof", appauthor=False)) / "studies"


def _digest(content: Any) -> str:
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()
