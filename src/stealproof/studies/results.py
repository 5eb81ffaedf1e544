"""What one cell gave: estimates, or the reason why it gave none."""

from __future__ import annotations

import functools
import math
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stealproof.errors import InvalidData
from stealproof.measures.estimate import Estimate
from stealproof.roles.risk import Measurement
from stealproof.studies.sources import versions
from stealproof.studies.study import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished cell."""

    cell: Cell
    estimates: Mapping[str, Estimate]
    details: Mapping[str, Any]
    cpu_seconds: float
    """Processor time of the cell, victims that it had to train included."""
    versions: Mapping[str, str]
    revision: str | None
    """Git revision of the code that computed it; None outside git."""

    @classmethod
    def of(cls, cell: Cell, measurement: Measurement, *, cpu_seconds: float) -> Result:
        """What ``cell`` measured here and now.

        Raises:
            InvalidData: an estimate that is NaN or infinite, which no card can hold.
        """
        for name, estimate in measurement.estimates.items():
            if not all(map(math.isfinite, (estimate.value, estimate.low, estimate.high))):
                raise InvalidData(f"expected a finite {name}, got {estimate.value} ({estimate.low}..{estimate.high})")
        return cls(
            cell=cell,
            estimates=dict(measurement.estimates),
            details=plain(measurement.details),
            cpu_seconds=cpu_seconds,
            versions=versions(),
            revision=revision(),
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON types, for the store."""
        return {
            "experiment": self.cell.experiment,
            "arguments": plain(self.cell.arguments),
            "seed": self.cell.seed,
            "estimates": {name: estimate.as_dict() for name, estimate in self.estimates.items()},
            "details": self.details,
            "cpu_seconds": self.cpu_seconds,
            "versions": dict(self.versions),
            "revision": self.revision,
        }

    @classmethod
    def from_dict(cls, cell: Cell, stored: Mapping[str, Any]) -> Result:
        """What ``as_dict`` gave, for the cell that asked for it."""
        return cls(
            cell=cell,
            estimates={name: Estimate(**fields) for name, fields in stored["estimates"].items()},
            details=stored["details"],
            cpu_seconds=stored["cpu_seconds"],
            versions=stored["versions"],
            revision=stored["revision"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A cell that gave nothing. It is not stored, so that the next run tries again."""

    cell: Cell
    reason: str
    """One sentence."""
    trace: str = ""
    """The traceback of an error that we did not foresee; empty for those that we raise on purpose."""
    no_storage: bool = False
    """Whether the result could not be written; the rest of the study can't be either."""


def plain(value: Any) -> Any:
    """``value`` in JSON types; arrays become lists, other objects their text, and what is not finite None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


@functools.cache
def revision() -> str | None:
    """The git revision that this package's files are tracked at, ``-dirty`` when they differ; None outside git."""
    home = Path(__file__).parents[1]

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(home), *arguments], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # An installed copy may lie in an environment inside somebody else's repository.
    if git("ls-files", "--error-unmatch", "__init__.py") is None or (head := git("rev-parse", "HEAD")) is None:
        return None
    return head + ("-dirty" if git("status", "--porcelain", "--untracked-files=no", "--", ".") else "")
