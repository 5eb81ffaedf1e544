"""``stealproof protect`` on a bare data set: mark the rows themselves, and write them with the claim to them."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealproof import catalog
from stealproof.cli._targets import check_absent
from stealproof.errors import InputError, StorageError
from stealproof.files import write_atomic
from stealproof.inputs import _python
from stealproof.inputs.claim import save_claim
from stealproof.roles.training_defense import Hook, TrainingDefense
from stealproof.system import Stage

if TYPE_CHECKING:
    from stealproof.claims import Claim
    from stealproof.cli._marking import OwnersSeed
    from stealproof.roles.dataset import Dataset, Part
    from stealproof.roles.ownership import Ownership

SUFFIX = ".npz"
FILES = (SUFFIX, ".csv")


def names_data(spec: str, out: Path | None) -> bool:
    """Whether ``spec`` is data and no model; a function, which may give either, is data when ``out`` is a .npz file."""
    name = spec.replace("-", "_")
    if name in catalog.names("dataset") or name in catalog.names("model"):
        return name in catalog.names("dataset")
    if _python.is_function(spec):
        return out is not None and out.suffix.lower() == SUFFIX
    return Path(spec).suffix.lower() in FILES or Path(spec).expanduser().is_dir()


def check_marks_data(scheme: Ownership, spec: str) -> None:
    """Raise ``InputError`` unless ``scheme`` changes rows before training, and nothing else."""
    marks = isinstance(scheme, TrainingDefense) and scheme.stage is Stage.DATA and scheme.hooks() == {Hook.PREPARE}
    if not marks:
        raise InputError(
            f"{scheme.name()} can't mark data by themselves, and {spec} is a data set; name a model or a family and"
            f" give the data by --data {spec}, or take a scheme that marks data, such as radioactive_data"
        )


def check_target(out: Path | None, *, force: bool) -> Path:
    """Refuse a file for the marked data that could not be written or read again."""
    if out is None or out.suffix != SUFFIX:
        got = "none" if out is None else f"--out {out}"
        raise InputError(f"marked data are saved as {SUFFIX}, got {got}; name the file with --out marked{SUFFIX}")
    check_absent(out, force=force)
    return out


def mark_data(scheme: Any, data: Dataset, seed: OwnersSeed, claim_path: Path, out: Path) -> dict[str, Any]:
    """Write ``data`` with its training rows marked to ``out``, and the claim; the other parts are as they were."""
    from stealproof.cli._marking import with_seed
    from stealproof.training.fit import check_training_data, protection_runs

    train = data.train
    check_training_data(train, data.classes)
    (run,) = protection_runs([scheme], data.domain, data.classes, seed.value)
    marked: Part = scheme.prepare(train, run)
    change = (marked.x - train.x).abs().flatten(1).amax(dim=1)
    _save_both(with_seed(scheme.claim(), seed), claim_path, {**data.parts, "train": marked}, out)
    return {
        "scheme": scheme.describe(),
        "data": dict(data.description) or {"name": data.name},
        "rows": len(train),
        "marked": int((change > 0).sum()),
        "largest_change": float(change.max()),
        "reading": _reading(data),
        "path": str(out),
        "claim": str(claim_path),
    }


def _save_both(claim: Claim, claim_path: Path, parts: dict[str, Part], out: Path) -> None:
    """Write data and claim, or neither: marked rows without a claim are only damaged rows."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
            staged = write_atomic(Path(folder) / out.name, _as_npz(parts))
            save_claim(claim, claim_path)
            os.replace(staged, out)
    except OSError as error:
        raise StorageError(f"could not write {out}: {error.strerror or error}; choose another folder") from error


def in_words(report: dict[str, Any]) -> str:
    """What was marked, and how to train on it."""
    reading = "".join(f" -d {key}={value}" for key, value in report["reading"].items())
    return "\n".join(
        [
            f"{report['path']} carries {report['scheme']['name']}",
            f"marked rows     {report['marked']:,} of {report['rows']:,} to train on",
            f"largest change  {report['largest_change']:.4f} of a value",
            f"to train on it  stealproof train FAMILY --data {report['path']}{reading} --out ...",
        ]
    )


def _as_npz(parts: dict[str, Part]) -> bytes:
    import numpy as np

    from stealproof.oracle import as_array

    arrays: dict[str, Any] = {}
    for name, part in parts.items():
        prefix = "" if name == "train" else f"{name}_"
        arrays |= {f"{prefix}x": as_array(part.x), f"{prefix}y": as_array(part.y)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _reading(data: Dataset) -> dict[str, Any]:
    """What a reader of the file can't see in it, as parameters of ``stealproof.inputs.data.open_data``."""
    needed: dict[str, Any] = {}
    if (data.domain.low, data.domain.high) != (0.0, 1.0):
        needed |= {"low": data.domain.low, "high": data.domain.high}
    if data.train.y.ndim == 1 and len(data.train.y.unique()) < data.classes:
        needed["classes"] = data.classes
    # Without rows of their own, the reader would cut these parts out of the marked ones.
    return needed | {f"{name}_fraction": 0 for name in ("test", "pool") if name not in data.parts}
