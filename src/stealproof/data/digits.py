"""Digits: 1,797 grey 8x8 images of handwritten digits, embedded in scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from stealproof.oracle import Domain
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class Digits(DatasetLoader):
    """Images ``(1, 8, 8)`` in [0, 1], ten classes; the test rows are drawn by ``split_seed``."""

    source = Source(
        authors="Alpaydin, Kaynak",
        title="Optical Recognition of Handwritten Digits",
        venue="UCI Machine Learning Repository",
        year=1998,
        url="https://doi.org/10.24432/C50P49",
    )

    def _read(self) -> Raw:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        x = torch.from_numpy((bunch.images / 16.0).astype(np.float32)[:, None])
        return Raw(x=x, y=torch.from_numpy(bunch.target.astype(np.int64)), classes=10, domain=Domain(shape=(1, 8, 8)))
