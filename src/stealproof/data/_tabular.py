"""Tables in memory: numeric columns into [0, 1], category columns as one-hot columns or as codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import InvalidData

Encoding = Literal["one-hot", "ordinal"]
Columns = Mapping[str, NDArray[Any]]
"""A table: name -> ``(n,)`` floats (numeric) or text (categories)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """How the columns of a table become numbers in [0, 1]; learned once, so that other rows are encoded alike.

    Numeric columns are scaled onto [0, 1]. Category columns become one 0/1 column for each value (``one-hot``), or
    one column whose k values, in alphabetical order, are 0, 1/(k-1), ..., 1 (``ordinal``: what trees split best).
    """

    encoding: Encoding
    order: tuple[str, ...]
    """Names of the columns before encoding."""
    ranges: Mapping[str, tuple[float, float]]
    """Numeric column -> its least and largest value."""
    categories: Mapping[str, tuple[str, ...]]
    """Category column -> its values."""

    @classmethod
    def learn(cls, table: Columns, encoding: Encoding) -> Codec:
        """The codec of these rows."""
        numeric = {name for name, values in table.items() if values.dtype.kind == "f"}
        return cls(
            encoding=encoding,
            order=tuple(table),
            ranges={name: (float(table[name].min()), float(table[name].max())) for name in table if name in numeric},
            categories={name: tuple(map(str, np.unique(table[name]))) for name in table if name not in numeric},
        )

    def encode(self, table: Columns) -> NDArray[np.float64]:
        """Rows ``(n, d)`` in [0, 1]; numbers beyond the learned range are clipped, unknown categories are refused.

        Raises:
            InvalidData: a column is missing, of the other kind, or has a value that was not there to be learned.
        """
        blocks = []
        for name in self.order:
            if name not in table:
                raise InvalidData(f"there is no column {name!r}; expected: {', '.join(self.order)}")
            values = table[name]
            if (values.dtype.kind == "f") != (name in self.ranges):
                wanted = "numbers" if name in self.ranges else "text"
                raise InvalidData(f"column {name!r} must hold {wanted} as in the data that the model was trained on")
            blocks.append(self._scale(name, values) if name in self.ranges else self._code(name, values))
        return np.concatenate(blocks, axis=1)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the d columns after encoding; a one-hot column is called ``column=value``."""
        names: list[str] = []
        for name in self.order:
            spread = self.encoding == "one-hot" and name in self.categories
            names.extend(f"{name}={value}" for value in self.categories[name]) if spread else names.append(name)
        return tuple(names)

    @property
    def levels(self) -> dict[int, tuple[float, ...]]:
        """Index of an ordinal column -> the codes that it takes, as ``Domain.levels`` wants them."""
        if self.encoding == "one-hot":
            return {}
        return {
            place: tuple(np.linspace(0.0, 1.0, len(self.categories[name])).tolist())
            for place, name in enumerate(self.order)
            if name in self.categories
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for a model's card."""
        return {
            "encoding": self.encoding,
            "order": list(self.order),
            "ranges": {name: list(ends) for name, ends in self.ranges.items()},
            "categories": {name: list(values) for name, values in self.categories.items()},
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Codec:
        """The inverse of ``as_dict``."""
        return cls(
            encoding=stored["encoding"],
            order=tuple(stored["order"]),
            ranges={name: (ends[0], ends[1]) for name, ends in stored["ranges"].items()},
            categories={name: tuple(values) for name, values in stored["categories"].items()},
        )

    def _scale(self, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
        low, high = self.ranges[name]
        scaled = (values - low) / (high - low if high > low else 1.0)
        return np.asarray(np.clip(scaled, 0.0, 1.0))[:, None]

    def _code(self, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
        known = np.array(self.categories[name])
        codes = np.searchsorted(known, values).clip(0, len(known) - 1)
        strangers = known[codes] != values
        if strangers.any():
            raise InvalidData(
                f"column {name!r} has the value {str(values[strangers][0])!r}, which the model's data does not have;"
                f" expected one of: {', '.join(self.categories[name][:20])}"
            )
        if self.encoding == "one-hot":
            return np.asarray(np.eye(len(known))[codes])
        return np.asarray(np.linspace(0.0, 1.0, len(known))[codes][:, None])


def unit_scaled(x: NDArray[Any]) -> NDArray[np.float64]:
    """Each column of ``(n, d)`` moved linearly onto [0, 1]; a constant column becomes 0."""
    table = {str(place): column for place, column in enumerate(np.asarray(x, dtype=np.float64).T)}
    return Codec.learn(table, "one-hot").encode(table)
