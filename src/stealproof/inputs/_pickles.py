"""Pickles are refused: loading one runs whatever code is in it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from stealproof.errors import UnsafeFile
from stealproof.files import first_bytes

SUFFIXES = frozenset({".pkl", ".pickle", ".pt", ".pth", ".joblib", ".ckpt", ".dill", ".npy.pkl"})
ADVICE = "save it as .safetensors or .onnx, or name a function that returns it: package.module:function"


def refuse_pickle(path: Path, advice: str = ADVICE) -> None:
    """Raise ``UnsafeFile`` when ``path`` is a pickle, by its name or by its bytes."""
    if path.suffix.lower() in SUFFIXES:
        raise UnsafeFile(f"{path} is a pickle, which could run code when it is loaded; {advice}")
    if not path.is_file():
        return
    start = first_bytes(path, 9)
    # Protocol 2 and later start with \x80 and the protocol's number; older ones have no mark, but no magic number
    # of ours either, so that the reader of the expected format refuses them.
    if len(start) >= 2 and start[0] == 0x80 and 2 <= start[1] <= 5 and not _is_safetensors(start):
        raise UnsafeFile(f"{path} holds a pickle, which could run code when it is loaded; {advice}")
    if start[:4] == b"PK\x03\x04" and _has_pickle_inside(path):
        raise UnsafeFile(f"{path} is a PyTorch archive with a pickle inside, which could run code; {advice}")


def _is_safetensors(start: bytes) -> bool:
    """Whether a file begins with 8 bytes of a length, which may look like a pickle's mark, and then JSON."""
    return start[4:8] == bytes(4) and start[8:9] == b"{"


def _has_pickle_inside(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
