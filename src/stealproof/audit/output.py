"""What an audit leaves behind: audit.json, one HTML page and its main picture, all or none of them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stealproof.errors import StorageError
from stealproof.reports.page import page
from stealproof.reports.plots import main_picture

PAGE, DATA, PICTURE = "audit.html", "audit.json", "fidelity.svg"


def check_folder(folder: Path) -> None:
    """Raise ``StorageError`` unless files can be written to ``folder``; it is not made yet.

    An audit takes minutes, so that this is asked before it starts.
    """
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise StorageError(f"could not write to {folder}: {existing} is not a folder; choose another with --out")
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise StorageError(
            f"could not write to {folder}: {error.strerror or error}; choose another folder with --out"
        ) from error


def write_report(folder: Path, document: Mapping[str, Any]) -> dict[str, Path]:
    """Write the three files to ``folder``, which is made; returns their paths by name.

    All are written beside it first and moved into place when every one is complete.

    Raises:
        StorageError: the disk refuses; ``folder`` is then as it was.
    """
    contents = {
        DATA: json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        PAGE: page(document),
        PICTURE: main_picture(document),
    }
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        for name, content in contents.items():
            with (temporary / name).open("w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        folder.mkdir(exist_ok=True)
        for name in contents:
            os.replace(temporary / name, folder / name)
    except OSError as error:
        raise StorageError(
            f"could not write the report to {folder}: {error.strerror or error}; finished thefts are kept, so free some"
            " space or choose another folder with --out and run the same command again"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return {name: folder / name for name in contents}
