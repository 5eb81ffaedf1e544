"""A user's own table in a ``.csv`` file with a header and a named label column."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.data._tabular import Codec, Encoding
from stealproof.errors import InvalidData
from stealproof.files import sha256_file
from stealproof.inputs._own import OwnData, joined
from stealproof.inputs._pickles import refuse_pickle
from stealproof.oracle import Domain
from stealproof.roles.dataset import Raw

MOST_CATEGORIES = 256
"""Different texts that a column may have before it looks like names, not categories."""


@dataclass(frozen=True, kw_only=True)
class CsvData(OwnData):
    """Numeric columns are scaled onto [0, 1], text columns are encoded; the label column is named by ``label``."""

    label: str = "label"
    """The column that holds the classes, as numbers or text."""
    encoding: Encoding = "one-hot"
    """``ordinal`` keeps one column for each text column, coded in [0, 1]: for decision trees."""
    delimiter: str = ","
    sensitive: tuple[str, ...] = ()
    """Columns to keep as sensitive attributes too, coded by their sorted values."""

    def _read(self) -> Raw:
        path = Path(self.path)
        refuse_pickle(path)
        cells = read_cells(path, self.delimiter)
        for column in (self.label, *self.sensitive):
            if column not in cells:
                raise InvalidData(
                    f"{path} has no column {column!r}; it has: {joined(list(cells))}; name the label column with"
                    " label=... and sensitive columns with sensitive=[...]"
                )
        labels, y = np.unique(cells.pop(self.label), return_inverse=True)
        if len(labels) < 2 or (len(labels) > MOST_CATEGORIES and len(labels) > len(y) / 2):
            raise InvalidData(f"column {self.label!r} of {path} has {len(labels)} different values, expected classes")
        if all(text.isdecimal() for text in labels):
            # Text sorts "10" before "2".
            order = np.argsort(np.array([int(text) for text in labels]), kind="stable")
            labels, y = labels[order], np.argsort(order, kind="stable")[y]
        table = typed(cells, path)
        codec = Codec.learn(table, self.encoding)
        return Raw(
            x=torch.from_numpy(codec.encode(table)),
            y=torch.from_numpy(y.astype(np.int64)),
            classes=len(labels),
            domain=Domain(shape=(len(codec.columns),), levels=codec.levels),
            columns=codec.columns,
            sensitive={
                name: torch.from_numpy(np.unique(cells[name], return_inverse=True)[1].astype(np.int64))
                for name in self.sensitive
            },
            notes={"sha256": sha256_file(path), "codec": codec.as_dict(), "labels": [str(text) for text in labels]},
        )


@dataclass(frozen=True, kw_only=True)
class CsvPool(OwnData):
    """More rows of the table that a victim was trained on, without labels or with labels that are not looked at."""

    codec: Codec
    """How the victim's own table was encoded."""
    delimiter: str = ","

    def _read(self) -> Raw:
        path = Path(self.path)
        refuse_pickle(path)
        codec = self.codec
        cells = read_cells(path, self.delimiter)
        table = typed({name: cells[name] for name in codec.order if name in cells}, path, codec=codec)
        x = torch.from_numpy(codec.encode(table))
        return Raw(
            x=x,
            y=torch.zeros(len(x), dtype=torch.int64),
            classes=1,
            domain=Domain(shape=tuple(x.shape[1:]), levels=codec.levels),
            columns=codec.columns,
            notes={"sha256": sha256_file(path)},
        )

    def describe(self) -> dict[str, Any]:
        """Without the codec, which belongs to the victim's data."""
        return {"name": self.title(), "parameters": {}}


def read_cells(path: Path, delimiter: str = ",") -> dict[str, NDArray[np.str_]]:
    """Column name -> its cells as text ``(n,)``.

    Raises:
        InvalidData: no text, no rows, a header with equal names, or a row of another length.
    """
    if len(delimiter) != 1:
        raise InvalidData(f"delimiter must be one character, got {delimiter!r}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(place, row) for place, row in enumerate(csv.reader(file, delimiter=delimiter), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData(f"{path} is no readable UTF-8 text with commas ({error})") from error
    if len(rows) < 2:
        raise InvalidData(f"{path} has {max(0, len(rows) - 1)} rows below its header; expected at least 1")
    header = [name.strip() for name in rows[0][1]]
    if len(set(header)) != len(header):
        raise InvalidData(f"{path} has two columns of the same name in its header: {joined(header)}")
    for place, row in rows[1:]:
        if len(row) != len(header):
            raise InvalidData(f"{path} line {place} has {len(row)} cells, expected {len(header)} as in the header")
    table = np.char.strip(np.array([row for _, row in rows[1:]], dtype=np.str_))
    return {name: table[:, place] for place, name in enumerate(header)}


def typed(cells: dict[str, NDArray[np.str_]], path: Path, *, codec: Codec | None = None) -> dict[str, NDArray[Any]]:
    """Columns of which every cell is a number as float64, the rest as text.

    Raises:
        InvalidData: an empty cell, NaN or infinity, no columns, or a text column with too many different values.
    """
    if not cells:
        raise InvalidData(f"{path} has no input columns beside the label")
    table: dict[str, NDArray[Any]] = {}
    for name, values in cells.items():
        empty = int((values == "").sum())
        if empty:
            raise InvalidData(f"column {name!r} of {path} has {empty} empty cells; fill or drop them first")
        try:
            numbers = None if codec is not None and name in codec.categories else values.astype(np.float64)
        except ValueError:
            numbers = None
        if numbers is None:
            different = len(np.unique(values))
            if different > MOST_CATEGORIES:
                raise InvalidData(
                    f"column {name!r} of {path} has {different} different texts, expected at most {MOST_CATEGORIES};"
                    " drop the column or group its values"
                )
            table[name] = values
        elif not np.isfinite(numbers).all():
            raise InvalidData(f"column {name!r} of {path} contains NaN or infinite values; fill or drop them first")
        else:
            table[name] = numbers
    return table
