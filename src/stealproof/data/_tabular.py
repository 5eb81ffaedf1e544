"""Tables in memory: numeric columns into [0, 1], category columns as one-hot columns or as codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Encoding = Literal["one-hot", "ordinal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An encoded table."""

    x: NDArray[np.float64]
    """``(n, d)`` in [0, 1]."""
    columns: tuple[str, ...]
    """Names of the d columns; a one-hot column is called ``column=value``."""
    levels: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    """Index of an ordinal column -> the codes that it takes, as ``Domain.levels`` wants them."""


def unit_scaled(x: NDArray[Any]) -> NDArray[np.float64]:
    """Each column of ``(n, d)`` moved linearly onto [0, 1]; a constant column becomes 0."""
    x = np.asarray(x, dtype=np.float64)
    low = x.min(axis=0)
    span = x.max(axis=0) - low
    return np.asarray(np.clip((x - low) / np.where(span > 0, span, 1.0), 0.0, 1.0))


def encoded(table: Mapping[str, NDArray[Any]], encoding: Encoding) -> Table:
    """A table of named columns ``(n,)`` as one array.

    Columns of floats are scaled onto [0, 1]. Columns of text become one 0/1 column for each value (``one-hot``), or
    one column whose k values, in alphabetical order, are 0, 1/(k-1), ..., 1 (``ordinal``: what trees split best).
    """
    blocks: list[NDArray[np.float64]] = []
    names: list[str] = []
    levels: dict[int, tuple[float, ...]] = {}
    for name, values in table.items():
        if values.dtype.kind == "f":
            blocks.append(unit_scaled(values[:, None]))
            names.append(name)
            continue
        categories, codes = np.unique(values, return_inverse=True)
        if encoding == "one-hot":
            blocks.append(np.eye(len(categories))[codes])
            names.extend(f"{name}={category}" for category in categories)
        else:
            steps = np.linspace(0.0, 1.0, len(categories))
            levels[len(names)] = tuple(steps.tolist())
            blocks.append(steps[codes][:, None])
            names.append(name)
    return Table(x=np.concatenate(blocks, axis=1), columns=tuple(names), levels=levels)
