"""FashionMNIST: 60,000 + 10,000 grey 28x28 images of clothes in ten classes."""

from __future__ import annotations

from dataclasses import dataclass

from stealproof.data._files import Official
from stealproof.data._idx import read_four
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source

FILES = Official(
    folder="fashion_mnist",
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    sha256={
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
)


@dataclass(frozen=True, kw_only=True)
class FashionMnist(DatasetLoader):
    """Images ``(1, 28, 28)`` in [0, 1]; the official test rows are the examiner's."""

    source = Source(
        authors="Xiao, Rasul, Vollgraf",
        title="Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
        venue="arXiv",
        year=2017,
        url="https://arxiv.org/abs/1708.07747",
    )
    size: int = 28
    """Height and width; another one resizes, for use as a foreign pool."""
    grey: bool = True
    """False repeats the grey channel three times, for use as a foreign pool."""

    def _read(self) -> Raw:
        return read_four(FILES, size=self.size, grey=self.grey)
