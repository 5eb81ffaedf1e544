"""Iris: 150 flowers, 4 measurements, three species, embedded in scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from stealproof.data._tabular import unit_scaled
from stealproof.oracle import Domain
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class Iris(DatasetLoader):
    """Rows ``(4,)`` float64, each column scaled onto [0, 1]; classes setosa, versicolor, virginica."""

    source = Source(
        authors="Fisher",
        title="The use of multiple measurements in taxonomic problems",
        venue="Annals of Eugenics 7(2)",
        year=1936,
        url="https://doi.org/10.1111/j.1469-1809.1936.tb02137.x",
    )

    def _read(self) -> Raw:
        from sklearn.datasets import load_iris

        bunch = load_iris()
        return Raw(
            x=torch.from_numpy(unit_scaled(bunch.data)),
            y=torch.from_numpy(bunch.target.astype(np.int64)),
            classes=3,
            domain=Domain(shape=(4,)),
            columns=tuple(map(str, bunch.feature_names)),
        )
