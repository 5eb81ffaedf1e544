"""Gaussian blobs: a synthetic table with as many columns and classes as you like, in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from stealproof import seeds
from stealproof.errors import InvalidData
from stealproof.oracle import Domain
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class GaussianBlobs(DatasetLoader):
    """One Gaussian a class around centres that lie evenly about the middle of the box; rows float64, clipped."""

    source = Source(
        authors="Tramèr, Zhang, Juels, Reiter, Ristenpart",
        title="Stealing Machine Learning Models via Prediction APIs",
        venue="USENIX Security",
        year=2016,
        url="https://arxiv.org/abs/1609.02943",
    )
    departure = (
        "the paper's Blobs have 2 columns and 3 classes; ours has any number, so that cost can be drawn against it"
    )
    dimensions: int = 30
    """Columns; at least 1."""
    classes: int = 2
    """Classes, equally frequent; at least 2."""
    rows: int = 2000
    """Rows in all parts together; at least one a class."""
    separation: float = 1.0
    """Distance of a class's centre from the middle of the box, in standard deviations of the noise."""
    noise: float = 0.1
    """Standard deviation of a class in each column."""
    seed: int = 0
    """Seed of centres and rows."""

    def _read(self) -> Raw:
        for name, least in (("dimensions", 1), ("classes", 2), ("rows", self.classes)):
            if getattr(self, name) < least:
                raise InvalidData(f"{name} of {self.name()} must be at least {least}, got {getattr(self, name)}")
        for name in ("separation", "noise"):
            if getattr(self, name) <= 0:
                raise InvalidData(f"{name} of {self.name()} must be positive, got {getattr(self, name)}")
        rng = seeds.rng(self.seed, self.name())
        directions = rng.standard_normal((self.classes, self.dimensions))
        if self.classes > 1 and self.dimensions > 1:
            # Without a common part, so that uniform inputs fall into every class, not mostly into one.
            directions -= directions.mean(axis=0)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        centres = 0.5 + self.separation * self.noise * directions
        labels = np.arange(self.rows) % self.classes
        x = centres[labels] + self.noise * rng.standard_normal((self.rows, self.dimensions))
        return Raw(
            x=torch.from_numpy(np.clip(x, 0.0, 1.0)),
            y=torch.from_numpy(labels.astype(np.int64)),
            classes=self.classes,
            domain=Domain(shape=(self.dimensions,)),
            columns=tuple(f"x{column}" for column in range(self.dimensions)),
        )
