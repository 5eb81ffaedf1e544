"""Writing, fingerprinting and peeking into files: a reader sees the old file or the new one, never half of either."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from stealproof.errors import InvalidData, StorageError


def write_atomic(path: Path, content: bytes, *, mode: int | None = None) -> Path:
    """Write ``content`` to ``path`` through a temporary file beside it (write, fsync, rename).

    Raises:
        StorageError: the folder cannot be made or the disk refuses; ``path`` is then as it was before.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; results are as readable as the user's umask says.
        os.chmod(temporary, mode if mode is not None else 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        reason = error.strerror or str(error)
        raise StorageError(
            f"could not write {path}: {reason}; nothing was changed, free some space or choose another folder"
        ) from error
    return path


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_bytes(path: Path, count: int = 8) -> bytes:
    """The start of a file; ``InvalidData`` when it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise InvalidData(f"could not read {path}: {error.strerror or error}") from error


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
