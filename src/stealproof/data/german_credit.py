"""German credit: 1,000 loan applicants, 20 columns; who is a bad credit risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from stealproof.data._files import Official
from stealproof.data._tabular import Codec, Encoding
from stealproof.errors import InvalidData
from stealproof.oracle import Domain
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source

NAME = "german.data"
FILES = Official(
    folder="german_credit",
    url="https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/german/",
    sha256={NAME: "e2bc10785808eeb5e30462f0805edb73a672f295bc671dec0bca6e2fb5c8e1ca"},
)
COLUMNS = (
    "checking",
    "months",
    "history",
    "purpose",
    "amount",
    "savings",
    "employment",
    "installment-rate",
    "personal-status",
    "guarantors",
    "residence-years",
    "property",
    "age",
    "other-installments",
    "housing",
    "credits",
    "job",
    "dependents",
    "telephone",
    "foreign-worker",
    "risk",
)
NUMERIC = ("months", "amount", "installment-rate", "residence-years", "age", "credits", "dependents")
FEMALE = ("A92", "A95")
"""Codes of ``personal-status`` that mean a woman."""


@dataclass(frozen=True, kw_only=True)
class GermanCredit(DatasetLoader):
    """Rows float64 in [0, 1]; one-hot encoding gives 61 columns; class 1 is a bad risk (300 of 1,000)."""

    source = Source(
        authors="Hofmann",
        title="Statlog (German Credit Data)",
        venue="UCI Machine Learning Repository",
        year=1994,
        url="https://doi.org/10.24432/C5NC77",
    )
    encoding: Encoding = "one-hot"
    """``ordinal`` keeps one column for each category, coded in [0, 1]: for decision trees."""

    def _read(self) -> Raw:
        path = FILES.path(NAME)
        rows = [line.split() for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
        if any(len(row) != len(COLUMNS) for row in rows):
            raise InvalidData(f"{path} has rows of another length, expected {len(COLUMNS)} cells in each")
        cells = np.array(rows)
        table = {
            name: cells[:, place].astype(np.float64) if name in NUMERIC else cells[:, place]
            for place, name in enumerate(COLUMNS)
        }
        risk = table.pop("risk")
        codec = Codec.learn(table, self.encoding)
        return Raw(
            x=torch.from_numpy(codec.encode(table)),
            y=torch.from_numpy((risk == "2").astype(np.int64)),
            classes=2,
            domain=Domain(shape=(len(codec.columns),), levels=codec.levels),
            columns=codec.columns,
            sensitive={
                "sex": torch.from_numpy((~np.isin(table["personal-status"], FEMALE)).astype(np.int64)),
            },
        )
