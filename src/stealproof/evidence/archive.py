"""One file that holds a few named others: a zip without compression of which every byte is determined by its content.

Any unzip program opens it. Here it is read the other way round: what was read is packed again, and unless that gives
the same bytes, the archive is refused. So there is no place for a second file of the same name, a comment, a link, an
entry that another reader would see otherwise, or a bomb.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

from stealproof.errors import EvidenceError, InputError

LARGEST = (1 << 30) + (1 << 28)
"""Bytes; a claim may have 2^30 of them, and the answers and proofs beside it are small."""
DATE = (1980, 1, 1, 0, 0, 0)
"""Of every entry: the first that a zip can name."""
PRIVATE = 0o100600 << 16
"""A plain file that its owner may read."""
UNREADABLE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, struct.error, ValueError, EOFError, OSError)
"""What Python's reader raises over bytes that are no zip, or a strange one."""
END = 22
"""Bytes of a zip's last record, which says where its directory is."""
DIRECTORY = 1 << 14
"""Bytes of the longest directory that is read; ten entries take less than 1,000."""


def pack(entries: Mapping[str, bytes]) -> bytes:
    """An archive of ``entries`` in their order; equal entries are equal bytes.

    Raises:
        InputError: together they are too large.
    """
    total = sum(map(len, entries.values()))
    if total > LARGEST:
        raise InputError(f"expected at most {LARGEST:,} bytes in one archive, got {total:,}; use fewer inputs")
    return _packed(entries)


def unpack(content: bytes, allowed: Mapping[str, int], *, what: str) -> dict[str, bytes]:
    """The entries of an archive that ``pack`` made.

    Args:
        content: the archive.
        allowed: names that may occur, in their order, and the most bytes that each may have.
        what: the archive in words, for messages.

    Raises:
        EvidenceError: too large, no such archive, or anything in it that is not allowed.
    """
    if len(content) > LARGEST:
        raise EvidenceError(f"{what} has {len(content):,} bytes; expected at most {LARGEST:,}")
    _check_directory(content, what)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if len(set(names)) < len(names):
                # A thousand of one name could stand for the same bytes, and each would be read anew.
                raise EvidenceError(f"{what} names an entry twice; it may be altered")
            entries = {info.filename: _entry(archive, info, allowed, what) for info in archive.infolist()}
        again = _packed(entries)
    except UNREADABLE as error:
        raise EvidenceError(f"{what} is no archive that can be read: {error}; expected it as it was written") from error
    if again != content:
        raise EvidenceError(f"{what} holds more than its entries, or was packed by something else; it may be altered")
    order = [name for name in allowed if name in entries]
    if list(entries) != order:
        raise EvidenceError(f"{what} holds its entries in another order than {', '.join(order)}")
    return entries


def _check_directory(content: bytes, what: str) -> None:
    """Refuse a long directory before Python's reader makes an object of every entry."""
    end, before = content[-END:], content[-END - 20 : -END]
    plain = end.startswith(b"PK\5\6") and end.endswith(b"\0\0") and not before.startswith(b"PK\6\7")
    if not plain or int.from_bytes(end[12:16], "little") > DIRECTORY:
        raise EvidenceError(
            f"{what} is no archive that can be read: its directory is not at its end, or longer than {DIRECTORY:,}"
            " bytes; expected it as it was written"
        )


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, allowed: Mapping[str, int], what: str) -> bytes:
    if info.filename not in allowed:
        raise EvidenceError(f"{what} holds an entry {info.filename[:80]!r}; expected only {', '.join(allowed)}")
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits:
        raise EvidenceError(f"{what} holds {info.filename} compressed, encrypted or otherwise; expected it stored")
    if info.file_size > allowed[info.filename]:
        most = allowed[info.filename]
        raise EvidenceError(f"{what} holds {info.filename} with {info.file_size:,} bytes; expected at most {most:,}")
    return archive.read(info)


def _packed(entries: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name, DATE)
            # Else it would depend on the operating system.
            info.create_system, info.external_attr = 3, PRIVATE
            archive.writestr(info, content)
    return buffer.getvalue()
