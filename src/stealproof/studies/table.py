"""Table: how a study whose combinations have two sides is laid out, as rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """How to lay a study out as a table with rows and columns instead of one line a combination."""

    rows: tuple[str, ...]
    """The arguments that make a row together, the one that names it first."""
    columns: str
    """The argument that makes a column."""
    measure: str
    """What stands in the cells."""
    beside: str = ""
    """A second measure in each cell, a difference of fractions that is shown in points."""
    doubt: str = ""
    """A share of seeds that gave no answer; cells say so where it is not 0."""
    spread: str = ""
    """A measure of which cards keep every seed's value."""
    once: str = ""
    """A measure that a row has once, a difference of fractions that is shown in points."""

    def place(self, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], Any]:
        """Row and column of a combination."""
        return tuple(arguments.get(key) for key in self.rows), arguments.get(self.columns)
