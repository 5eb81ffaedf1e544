"""COMPAS: 6,172 defendants of Broward County, Florida; who is arrested again within two years."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np
import torch

from stealproof.data._files import Official
from stealproof.data._tabular import Codec, Encoding
from stealproof.errors import InvalidData
from stealproof.oracle import Domain
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source

NAME = "compas-scores-two-years.csv"
FILES = Official(
    folder="compas",
    url="https://raw.githubusercontent.com/propublica/compas-analysis/master/",
    sha256={NAME: "c451db85908b2f7fef1d83203bedf6b71ecda0d5af468d82ae62178f91d0cc7d"},
    # The same table with names, birth dates and case numbers blanked; none of these is read here.
    also={NAME: "873148a4dbb099b891ddd96d8f78cd63587d04256c3a74be4efa14a8ac78fcac"},
)
NUMERIC = ("age", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count")
CATEGORIES = ("age_cat", "c_charge_degree", "sex", "race")


@dataclass(frozen=True, kw_only=True)
class Compas(DatasetLoader):
    """Rows float64 in [0, 1] of counts, age, charge, sex and race; class 1 is arrested again within two years.

    Rows are kept as ProPublica's analysis keeps them: screened within 30 days of the arrest, with a score, not for
    an ordinary traffic offense.
    """

    source = Source(
        authors="Angwin, Larson, Mattu, Kirchner",
        title="Machine Bias",
        venue="ProPublica",
        year=2016,
        url="https://github.com/propublica/compas-analysis",
    )
    encoding: Encoding = "one-hot"
    """``ordinal`` keeps one column for each category, coded in [0, 1]: for decision trees."""
    hide_sensitive: bool = False
    """Whether sex and race are left out of the inputs; they stay available as sensitive attributes."""

    def _read(self) -> Raw:
        path = FILES.path(NAME)
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if _kept(row)]
        if not rows:
            raise InvalidData(f"{path} has no usable rows")
        table = {name: np.array([row[name] for row in rows]) for name in (*NUMERIC, *CATEGORIES)}
        hidden = {"sex", "race"} if self.hide_sensitive else set()
        inputs = {
            name: values.astype(np.float64) if name in NUMERIC else values
            for name, values in table.items()
            if name not in hidden
        }
        codec = Codec.learn(inputs, self.encoding)
        return Raw(
            x=torch.from_numpy(codec.encode(inputs)),
            y=torch.tensor([int(row["two_year_recid"]) for row in rows]),
            classes=2,
            domain=Domain(shape=(len(codec.columns),), levels=codec.levels),
            columns=codec.columns,
            sensitive={
                "sex": torch.from_numpy((table["sex"] == "Male").astype(np.int64)),
                "race": torch.from_numpy((table["race"] == "Caucasian").astype(np.int64)),
            },
        )


def _kept(row: dict[str, str]) -> bool:
    days = row["days_b_screening_arrest"]
    return (
        days != ""
        and abs(int(days)) <= 30
        and row["is_recid"] != "-1"
        and row["c_charge_degree"] != "O"
        and row["score_text"] != "N/A"
    )
