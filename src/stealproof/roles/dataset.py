"""Data sets: frozen tensors, cut into the parts that an owner, a thief and an examiner hold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from stealproof import seeds
from stealproof.errors import InvalidData
from stealproof.oracle import Domain
from stealproof.system import System

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some rows of a data set."""

    x: torch.Tensor
    """Inputs ``(n, *shape)``, float32 (float64 for tabular data), inside the data set's domain."""
    y: torch.Tensor
    """Labels ``(n,)``, int64, or targets ``(n, classes)``, float, each row a distribution."""

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.x)

    def take(self, rows: Any) -> Part:
        """The rows that a slice, index tensor or mask selects."""
        return Part(x=self.x[rows], y=self.y[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A named record of arrays with disjoint parts.

    ``train`` belongs to the owner, ``pool`` to the thief (same distribution, never seen by the owner), ``test`` to
    the examiner. A foreign pool has only ``pool``.
    """

    name: str
    classes: int
    domain: Domain
    parts: Mapping[str, Part]
    columns: tuple[str, ...] = ()
    """Names of the columns of tabular data, after encoding."""
    sensitive: Mapping[str, Mapping[str, torch.Tensor]] = field(default_factory=dict)
    """Part name -> attribute name -> ``(n,)`` int64, for example sex or race."""
    description: Mapping[str, Any] = field(default_factory=dict)
    """Name, parameters and, for own files, their SHA-256, in JSON types: what enters cache keys and cards."""

    @property
    def train(self) -> Part:
        """What the owner trains on."""
        return self.part("train")

    @property
    def test(self) -> Part:
        """What accuracy and fidelity are measured on."""
        return self.part("test")

    @property
    def pool(self) -> Part:
        """What a thief may query with; its labels are for analysis, not for the thief."""
        return self.part("pool")

    def part(self, name: str) -> Part:
        """The part of this name; ``InvalidData`` when this data set has none."""
        if name not in self.parts:
            raise InvalidData(f"{self.name} has no part {name!r}; it has: {', '.join(self.parts)}")
        return self.parts[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What a loader reads: the official training and test rows, before they are cut into parts."""

    x: torch.Tensor
    y: torch.Tensor
    test_x: torch.Tensor | None = None
    test_y: torch.Tensor | None = None
    classes: int
    domain: Domain
    columns: tuple[str, ...] = ()
    sensitive: Mapping[str, torch.Tensor] = field(default_factory=dict)
    test_sensitive: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DatasetLoader(System):
    """Base of every data set. A subclass writes ``_read``; cutting and checking are done here."""

    pool_fraction: float = 1 / 3
    """Share of the training rows that goes to the thief's pool; 0 to 1. A foreign pool sets 1."""
    test_fraction: float = 0.25
    """Share of all rows held out for testing when the data set has no official test rows; 0 to 1."""
    split_seed: int = 0
    """Seed of the permutation that assigns rows to parts."""

    @final
    def load(self) -> Dataset:
        """The data set, cut into ``train``, ``pool`` and ``test``; a pure function of files and parameters.

        Raises:
            MissingData: a file is neither on this machine nor could be fetched.
            InvalidData: a file is damaged, or the data are empty, NaN, out of range, or wrongly labelled.
        """
        for name in ("pool_fraction", "test_fraction"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InvalidData(f"{name} must lie between 0 and 1, got {value}")
        raw = self._read()
        check_rows(raw.x, raw.y, classes=raw.classes, domain=raw.domain, name=self.name())
        order = seeds.rng(self.split_seed, "split", self.name()).permutation(len(raw.x))
        parts: dict[str, Part] = {}
        sensitive: dict[str, dict[str, Any]] = {}

        def add(part: str, rows: np.ndarray[Any, Any]) -> None:
            if len(rows):
                parts[part] = Part(x=raw.x[rows], y=raw.y[rows])
                sensitive[part] = {key: values[rows] for key, values in raw.sensitive.items()}

        if raw.test_x is not None and raw.test_y is not None:
            check_rows(raw.test_x, raw.test_y, classes=raw.classes, domain=raw.domain, name=f"{self.name()} test")
        elif self.pool_fraction < 1:
            held_out = round(len(order) * self.test_fraction)
            add("test", order[:held_out])
            order = order[held_out:]
        pool_rows = round(len(order) * self.pool_fraction)
        add("train", order[pool_rows:])
        add("pool", order[:pool_rows])
        if raw.test_x is not None and raw.test_y is not None:
            parts["test"] = Part(x=raw.test_x, y=raw.test_y)
            sensitive["test"] = dict(raw.test_sensitive)
        return Dataset(
            name=self.name(),
            classes=raw.classes,
            domain=raw.domain,
            parts=parts,
            columns=raw.columns,
            sensitive={part: values for part, values in sensitive.items() if values},
            description=self.describe(),
        )

    @abstractmethod
    def _read(self) -> Raw:
        """Read the official files into tensors."""


def check_rows(x: torch.Tensor, y: torch.Tensor, *, classes: int, domain: Domain, name: str) -> None:
    """Raise ``InvalidData`` unless rows and labels agree, are not empty, are finite and in range."""
    if len(x) == 0:
        raise InvalidData(f"{name} has no rows; expected at least 1")
    if len(x) != len(y):
        raise InvalidData(f"{name} has {len(x)} rows and {len(y)} labels; expected equally many")
    if tuple(x.shape[1:]) != domain.shape:
        raise InvalidData(f"{name} has rows of shape {tuple(x.shape[1:])}, expected {domain.shape}")
    if not bool(x.isfinite().all()):
        raise InvalidData(f"{name} contains NaN or infinite values; fill or drop them first")
    low, high = float(x.min()), float(x.max())
    if low < domain.low - 1e-6 or high > domain.high + 1e-6:
        raise InvalidData(f"{name} has values from {low:g} to {high:g}, expected [{domain.low:g}, {domain.high:g}]")
    if y.ndim == 1 and (int(y.min()) < 0 or int(y.max()) >= classes):
        raise InvalidData(f"{name} has labels {int(y.min())}..{int(y.max())}, expected 0..{classes - 1}")
