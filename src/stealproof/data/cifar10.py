"""CIFAR-10, a third of it: 20,000 + 10,000 coloured 32x32 images in ten classes."""

from __future__ import annotations

from dataclasses import dataclass

from stealproof.data._cifar import read_batches
from stealproof.data._files import Official
from stealproof.data._idx import image_domain
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source

FILES = Official(
    folder="cifar10",
    url="https://www.cs.toronto.edu/~kriz/",
    archive="cifar-10-binary.tar.gz",
    md5_of_archive="c32a1d4ab5d03f1284b67883e8d87530",
    sha256={
        "cifar-10-batches-bin/data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "cifar-10-batches-bin/data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "cifar-10-batches-bin/test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
)


@dataclass(frozen=True, kw_only=True)
class Cifar10(DatasetLoader):
    """Images ``(3, 32, 32)`` in [0, 1]: the official batches 1 and 2, and the official test rows."""

    source = Source(
        authors="Krizhevsky",
        title="Learning Multiple Layers of Features from Tiny Images",
        venue="University of Toronto",
        year=2009,
        url="https://www.cs.toronto.edu/~kriz/cifar.html",
    )
    departure = "two of the five training batches, so that a study fits a small machine"
    size: int = 32
    """Height and width; another one resizes, for use as a foreign pool."""
    grey: bool = False
    """True keeps the luma only, for use as a foreign pool."""

    def _read(self) -> Raw:
        first, second, test = (FILES.path(name) for name in FILES.sha256)
        x, y = read_batches([first, second], label_bytes=1, size=self.size, grey=self.grey)
        test_x, test_y = read_batches([test], label_bytes=1, size=self.size, grey=self.grey)
        return Raw(x=x, y=y, test_x=test_x, test_y=test_y, classes=10, domain=image_domain(x))
