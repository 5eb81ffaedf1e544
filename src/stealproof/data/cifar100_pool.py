"""CIFAR-100 as a foreign pool: coloured 32x32 images of classes that CIFAR-10 does not have."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from stealproof.data._cifar import read_batches
from stealproof.data._files import Official
from stealproof.data._idx import image_domain
from stealproof.data._images import scaled
from stealproof.errors import InvalidData, MissingData
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source

OFFICIAL_NAME = "cifar-100-binary/test.bin"
OFFICIAL = Official(
    folder="cifar100_pool",
    url="https://www.cs.toronto.edu/~kriz/",
    archive="cifar-100-binary.tar.gz",
    md5_of_archive="03b5dce01913d631647c71ecec9e9cb8",
    sha256={OFFICIAL_NAME: ""},
)
SUBSET = Official(
    folder="cifar100_pool",
    url="",
    sha256={
        "cifar100_pool.npz": "8d734e17e1b02d69caf4092fb6ad306efd7b15641b172539ecf64f64e1f2a785",
        "index.tsv": "84c8446d32ce0ee237cee25d145f54b194fb77a50e677eb4275e5697fa5ecb1b",
    },
)


@dataclass(frozen=True, kw_only=True)
class Cifar100Pool(DatasetLoader):
    """Images ``(3, 32, 32)`` in [0, 1] with their own classes, all in the thief's pool."""

    source = Source(
        authors="Krizhevsky",
        title="Learning Multiple Layers of Features from Tiny Images",
        venue="University of Toronto",
        year=2009,
        url="https://www.cs.toronto.edu/~kriz/cifar.html",
    )
    pool_fraction: float = 1.0
    """A foreign pool: every row belongs to the thief."""
    rows: Literal["subset", "official"] = "subset"
    """``subset``: 4,000 chosen images (a local file); ``official``: all 10,000 test images in 100 classes."""
    size: int = 32
    """Height and width; another one resizes to the victim's inputs."""
    grey: bool = False
    """True keeps the luma only, for a victim of grey images."""

    def _read(self) -> Raw:
        if self.rows == "official":
            path = OFFICIAL.path(OFFICIAL_NAME)
            # Two label bytes: the coarse and the fine class.
            x, y = read_batches([path], label_bytes=2, size=self.size, grey=self.grey)
            return Raw(x=x, y=y, classes=100, domain=image_domain(x))
        try:
            arrays, index = (SUBSET.path(name) for name in SUBSET.sha256)
        except MissingData as error:
            raise MissingData(f"{error}; or take the official test images with -p rows=official") from error
        with np.load(arrays, allow_pickle=False) as archive:
            images = archive["x"]
        with index.open(encoding="utf-8", newline="") as file:
            names = [row["class"] for row in csv.DictReader(file, delimiter="\t")]
        if len(names) != len(images):
            raise InvalidData(f"{index} names {len(names)} images, expected {len(images)}")
        classes, codes = np.unique(names, return_inverse=True)
        x = scaled(images.transpose(0, 3, 1, 2), size=self.size, grey=self.grey)
        return Raw(x=x, y=torch.from_numpy(codes.astype(np.int64)), classes=len(classes), domain=image_domain(x))
