"""Adult (census income): 32,561 + 16,281 rows; who earns more than 50,000 dollars, or of which race they are."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from stealproof.data._files import Official
from stealproof.data._tabular import Codec, Encoding
from stealproof.errors import InvalidData
from stealproof.oracle import Domain
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source

FILES = Official(
    folder="adult",
    url="https://archive.ics.uci.edu/ml/machine-learning-databases/adult/",
    sha256={
        "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
        "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
    },
)
NUMERIC = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
)


@dataclass(frozen=True, kw_only=True)
class Adult(DatasetLoader):
    """Rows float64 in [0, 1]; one-hot encoding gives 108 columns. A missing value (``?``) is a category of its own."""

    source = Source(
        authors="Becker, Kohavi",
        title="Adult",
        venue="UCI Machine Learning Repository",
        year=1996,
        url="https://doi.org/10.24432/C5XW20",
    )
    encoding: Encoding = "one-hot"
    """``ordinal`` keeps one column for each category, coded in [0, 1]: for decision trees."""
    target: Literal["income", "race"] = "income"
    """What is predicted: income above 50,000 (2 classes) or race (5 classes; its columns are then left out)."""
    hide_sensitive: bool = False
    """Whether sex and race are left out of the inputs; they stay available as sensitive attributes."""

    def _read(self) -> Raw:
        train, test = (_rows(FILES.path(name)) for name in ("adult.data", "adult.test"))
        cells = np.array(train + test)
        table = {name: cells[:, place] for place, name in enumerate(COLUMNS)}
        hidden = {"income", self.target, *(("sex", "race") if self.hide_sensitive else ())}
        inputs = {
            name: values.astype(np.float64) if name in NUMERIC else values
            for name, values in table.items()
            if name not in hidden
        }
        codec = Codec.learn(inputs, self.encoding)
        if self.target == "income":
            y = (np.char.rstrip(table["income"], ".") == ">50K").astype(np.int64)
        else:
            y = np.unique(table["race"], return_inverse=True)[1].astype(np.int64)
        sensitive = {
            "sex": torch.from_numpy((table["sex"] == "Male").astype(np.int64)),
            "race": torch.from_numpy((table["race"] == "White").astype(np.int64)),
        }
        cut = len(train)
        x, labels = torch.from_numpy(codec.encode(inputs)), torch.from_numpy(y)
        return Raw(
            x=x[:cut],
            y=labels[:cut],
            test_x=x[cut:],
            test_y=labels[cut:],
            classes=2 if self.target == "income" else 5,
            domain=Domain(shape=(x.shape[1],), levels=codec.levels),
            columns=codec.columns,
            sensitive={name: values[:cut] for name, values in sensitive.items()},
            test_sensitive={name: values[cut:] for name, values in sensitive.items()},
        )


def _rows(path: Path) -> list[list[str]]:
    """The rows of a UCI file, without its comment and empty lines."""
    with path.open(encoding="ascii", newline="") as file:
        rows = [row for row in csv.reader(file, skipinitialspace=True) if row and not row[0].startswith("|")]
    for row in rows:
        if len(row) != len(COLUMNS):
            raise InvalidData(f"{path} has a row of {len(row)} cells, expected {len(COLUMNS)}: {','.join(row)[:80]!r}")
    return rows
