"""The digest of a model on disk, equal to the one in the subject of an OpenSSF model-signing signature.

It is the SHA-256 over the SHA-256 digests of all files in the order of their paths, compared folder by folder. What
belongs to git is left out, links are refused. Paths are not in it, only the order that they give; a renamed file can
keep the digest, a changed one never does. By hand, for files in one folder::

    LC_ALL=C sha256sum * | cut -c 1-64 | xxd -r -p | sha256sum

See https://github.com/sigstore/model-transparency.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NoReturn

from stealproof.errors import InputError
from stealproof.files import sha256_file

GIT = {".git", ".gitattributes", ".github", ".gitignore"}
"""Names at the top of a model's folder that belong to its repository, not to the model."""


def model_digest(path: str | os.PathLike[str]) -> str:
    """The digest, in hexadecimal, of the model that is this file or all files in this folder.

    Raises:
        InputError: nothing is there, a link or something else that is no plain file, or one that can't be read.
    """
    root = Path(path)
    _check_kind(root)
    files = [root] if root.is_file() else _files(root)
    if not files:
        raise InputError(f"the model {root} is an empty folder, expected its files")
    outer = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.relative_to(root).parts):
        try:
            outer.update(bytes.fromhex(sha256_file(file)))
        except OSError as error:
            _refuse(error)
    return outer.hexdigest()


def _files(root: Path) -> list[Path]:
    """Every file below ``root``; a folder that can't be read is an error, for its files would go missing silently."""
    files: list[Path] = []
    for folder, folders, names in os.walk(root, onerror=_refuse):
        here = Path(folder)
        if here == root:
            folders[:] = [name for name in folders if name not in GIT]
            names = [name for name in names if name not in GIT]
        for name in (*folders, *names):
            _check_kind(here / name)
        files += [here / name for name in names]
    return files


def _check_kind(path: Path) -> None:
    if path.is_symlink():
        raise InputError(f"the model has the link {path}; put the file itself there, a link can change what it means")
    if not path.is_file() and not path.is_dir():
        raise InputError(f"the model {path} is neither a file nor a folder that can be read")


def _refuse(error: OSError) -> NoReturn:
    raise InputError(f"could not read {error.filename} of the model: {error.strerror}") from error
