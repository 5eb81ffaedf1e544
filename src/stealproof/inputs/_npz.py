"""A user's own arrays in a NumPy ``.npz`` file; nothing is unpickled."""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stealproof.errors import InvalidData, UnsafeFile
from stealproof.files import first_bytes, sha256_file
from stealproof.inputs._own import Arrays, OwnData, joined, raw_from_arrays
from stealproof.inputs._pickles import refuse_pickle
from stealproof.roles.dataset import Raw

KEYS = ("x", "y", "test_x", "test_y", "pool_x", "pool_y")
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile and NumPy raise on bytes that are no ``.npz``."""


@dataclass(frozen=True, kw_only=True)
class NpzData(OwnData):
    """Arrays ``x`` and ``y``, optionally ``test_x`` with ``test_y``, and ``pool_x`` with ``pool_y``.

    A file with ``x`` alone is an unlabelled pool.
    """

    classes: int | None = None
    """Number of classes; None counts the labels."""
    low: float = 0.0
    """Least legal input value."""
    high: float = 1.0
    """Largest legal input value; bytes (uint8) are divided by 255 first."""

    def _read(self) -> Raw:
        path = Path(self.path)
        refuse_pickle(path)
        if first_bytes(path, 4) != b"PK\x03\x04":
            raise InvalidData(f"{path} is no .npz file; write one with numpy.savez(path, x=..., y=...)")
        found = self._arrays(path)
        unknown = sorted(set(found) - set(KEYS))
        if "x" not in found or unknown:
            raise InvalidData(
                f"{path} has the arrays {joined(sorted(found)) or '(none)'}, expected x, y and {KEYS[2:]}"
            )
        return raw_from_arrays(
            Arrays(**found),
            classes=self.classes,
            low=self.low,
            high=self.high,
            name=self.title(),
            notes={"sha256": sha256_file(path)},
        )

    def _arrays(self, path: Path) -> dict[str, np.ndarray]:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        except DAMAGED as error:
            if "allow_pickle" in str(error):
                raise UnsafeFile(
                    f"{path} holds Python objects, which could run code when they are loaded;"
                    " save plain arrays of numbers instead"
                ) from error
            raise InvalidData(f"{path} is damaged or cut short ({error}); write it again with numpy.savez") from error
