"""Breast cancer (Wisconsin, diagnostic): 569 rows of 30 measurements, two classes, embedded in scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from stealproof.data._tabular import unit_scaled
from stealproof.oracle import Domain
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class BreastCancer(DatasetLoader):
    """Rows ``(30,)`` float64, each column scaled onto [0, 1]; classes malignant (0) and benign (1)."""

    source = Source(
        authors="Wolberg, Mangasarian, Street, Street",
        title="Breast Cancer Wisconsin (Diagnostic)",
        venue="UCI Machine Learning Repository",
        year=1993,
        url="https://doi.org/10.24432/C5DW2B",
    )

    def _read(self) -> Raw:
        from sklearn.datasets import load_breast_cancer

        bunch = load_breast_cancer()
        return Raw(
            x=torch.from_numpy(unit_scaled(bunch.data)),
            y=torch.from_numpy(bunch.target.astype(np.int64)),
            classes=2,
            domain=Domain(shape=(30,)),
            columns=tuple(map(str, bunch.feature_names)),
        )
