"""Finding the official files of a data set: in ``STEALPROOF_DATA``, in the user's cache, or on the web.

Every file is checked against its SHA-256 before it is parsed, once per process.
"""

from __future__ import annotations

import functools
import logging
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stealproof.errors import InvalidData, MissingData
from stealproof.files import sha256_file, write_atomic

VARIABLE = "STEALPROOF_DATA"
"""Environment variable that names a folder with one sub-folder for each data set."""
DOWNLOAD_SECONDS = 30
"""Longest wait for a server that sends nothing."""

LONGEST_REASON = 120
"""Characters of another library's message before its kind says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Official:
    """The official files of one data set."""

    folder: str
    """Sub-folder of ``STEALPROOF_DATA`` and of the cache; the data set's name."""
    url: str
    """Where the files are published, up to their names; empty when they are only on the user's machine."""
    sha256: Mapping[str, str]
    """File name -> SHA-256 of its bytes; an empty hash means that the reader checks the content itself."""
    also: Mapping[str, str] = field(default_factory=dict)
    """File name -> SHA-256 of a redacted copy that is as good, because the columns that are read are the same."""
    archive: str = ""
    """Name of the .tar.gz at ``url`` that holds the files, when they are not published one by one."""
    md5_of_archive: str = ""
    """MD5 that the publisher gives for the archive."""

    def path(self, name: str) -> Path:
        """The checked file of this name.

        Raises:
            MissingData: it is neither on this machine nor could be fetched.
            InvalidData: its bytes are not the official ones.
        """
        candidates = [folder / self.folder / name for folder in _folders()]
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            found = self._fetch(name, candidates)
        expected = self.sha256[name]
        if expected:
            got = _digest(found, found.stat().st_mtime_ns, found.stat().st_size)
            if got not in (expected, self.also.get(name)):
                raise InvalidData(
                    f"{found} is not the official file: expected SHA-256 {expected[:16]}..., got {got[:16]}...;"
                    f" replace it{f' by {self._address(name)}' if self.url else ''}"
                )
        return found

    def _address(self, name: str) -> str:
        return self.url + (self.archive or name.rpartition("/")[2])

    def _fetch(self, name: str, candidates: list[Path]) -> Path:
        import pooch

        if not self.url:
            raise MissingData(
                f"the file {name} of {self.folder} is not on this machine and is not published;"
                f" put it at {candidates[0]}, or set {VARIABLE} to a folder that has {self.folder}/{name}"
            )
        # What goes wrong is in our own error, in one line.
        pooch.get_logger().setLevel(logging.ERROR)
        target = cache_folder() / self.folder / name
        downloader = pooch.HTTPDownloader(progressbar=False, timeout=DOWNLOAD_SECONDS)
        try:
            if not self.archive:
                pooch.retrieve(
                    self._address(name),
                    known_hash=f"sha256:{self.sha256[name]}" if self.sha256[name] else None,
                    fname=target.name,
                    path=target.parent,
                    downloader=downloader,
                )
                return target
            packed = pooch.retrieve(
                self._address(name),
                known_hash=f"md5:{self.md5_of_archive}" if self.md5_of_archive else None,
                fname=self.archive,
                path=cache_folder() / self.folder,
                downloader=downloader,
            )
            return _unpack(Path(packed), name, target)
        except (OSError, ValueError, ImportError) as error:
            reason = str(error).partition("\n")[0]
            reason = reason if len(reason) <= LONGEST_REASON else type(error).__name__
            raise MissingData(
                f"the file {name} of {self.folder} is not on this machine and could not be fetched ({reason});"
                f" download {self._address(name)} and put it at {candidates[0]},"
                f" or set {VARIABLE} to a folder that has {self.folder}/{name}"
            ) from error


def cache_folder() -> Path:
    """The user's cache of downloaded data."""
    import pooch

    return Path(pooch.os_cache("stealproof")) / "data"


def _folders() -> list[Path]:
    named = os.environ.get(VARIABLE)
    return [*([Path(named).expanduser()] if named else []), cache_folder()]


def _unpack(packed: Path, name: str, target: Path) -> Path:
    """Copy one member out of an archive; nothing else of it touches the disk."""
    try:
        with tarfile.open(packed, "r:gz") as archive:
            member = archive.extractfile(name)
            if member is None:
                raise OSError(f"{packed.name} has no file {name}")
            return write_atomic(target, member.read())
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise OSError(f"{packed.name} is damaged or has no file {name}") from error


@functools.cache
def _digest(path: Path, modified: int, size: int) -> str:
    """The file's SHA-256, remembered for as long as its time and size stay the same."""
    return sha256_file(path)
