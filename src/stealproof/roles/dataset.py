"""Data sets: frozen tensors, cut into the parts that an owner, a thief and an examiner hold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

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

    @property
    def labels(self) -> torch.Tensor:
        """Labels ``(n,)``, int64; of distributions the likeliest class."""
        return self.y.argmax(dim=1) if self.y.ndim == 2 else self.y

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
    pool_x: torch.Tensor | None = None
    pool_y: torch.Tensor | None = None
    classes: int
    """Number of classes; 1 means that the rows have no labels, so that all of them are the thief's."""
    domain: Domain
    columns: tuple[str, ...] = ()
    sensitive: Mapping[str, torch.Tensor] = field(default_factory=dict)
    test_sensitive: Mapping[str, torch.Tensor] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the reader wants to add to the description, in JSON types: hashes of own files, encodings of columns."""


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
        named = {"": (raw.x, raw.y), "test": (raw.test_x, raw.test_y), "pool": (raw.pool_x, raw.pool_y)}
        given = {name: Part(x=x, y=y) for name, (x, y) in named.items() if x is not None and y is not None}
        for name, part in given.items():
            title = f"{self.title()} {name}".strip()
            # A foreign pool keeps its own classes, so only its inputs are held against the domain.
            classes = max(raw.classes, int(part.y.max()) + 1) if name == "pool" and len(part) else raw.classes
            check_rows(part.x, part.y, classes=classes, domain=raw.domain, name=title)
        parts, sensitive = self._cut(raw)
        return Dataset(
            name=self.title(),
            classes=raw.classes,
            domain=raw.domain,
            parts=parts | {name: part for name, part in given.items() if name},
            columns=raw.columns,
            sensitive={part: values for part, values in sensitive.items() if values},
            description=self.describe() | dict(raw.notes),
        )

    def _cut(self, raw: Raw) -> tuple[dict[str, Part], dict[str, Mapping[str, torch.Tensor]]]:
        """Deal the training rows out to the parts that have no rows of their own."""
        order = seeds.rng(self.split_seed, "split", self.title()).permutation(len(raw.x))
        pool_fraction = self.pool_fraction if raw.classes > 1 else 1.0
        held_out = round(len(order) * self.test_fraction) if raw.test_x is None and pool_fraction < 1 else 0
        pooled = round((len(order) - held_out) * pool_fraction) if raw.pool_x is None else 0
        cuts = {
            "test": order[:held_out],
            "pool": order[held_out : held_out + pooled],
            "train": order[held_out + pooled :],
        }
        parts = {name: Part(x=raw.x[rows], y=raw.y[rows]) for name, rows in cuts.items() if len(rows)}
        sensitive: dict[str, Mapping[str, torch.Tensor]] = {
            name: {key: values[cuts[name]] for key, values in raw.sensitive.items()} for name in parts
        }
        return parts, sensitive | ({"test": raw.test_sensitive} if raw.test_sensitive else {})

    def title(self) -> str:
        """What the data set is called in messages and result cards."""
        return self.name()

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
