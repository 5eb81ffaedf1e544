"""MNIST: 60,000 + 10,000 grey 28x28 images of handwritten digits."""

from __future__ import annotations

from dataclasses import dataclass

from stealproof.data._files import Official
from stealproof.data._idx import read_four
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source

FILES = Official(
    folder="mnist",
    url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    sha256={
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
)


@dataclass(frozen=True, kw_only=True)
class Mnist(DatasetLoader):
    """Images ``(1, 28, 28)`` in [0, 1]; the official test rows are the examiner's."""

    source = Source(
        authors="LeCun, Bottou, Bengio, Haffner",
        title="Gradient-based learning applied to document recognition",
        venue="Proceedings of the IEEE 86(11)",
        year=1998,
        url="https://doi.org/10.1109/5.726791",
    )
    size: int = 28
    """Height and width; another one resizes, for use as a foreign pool."""
    grey: bool = True
    """False repeats the grey channel three times, for use as a foreign pool."""

    def _read(self) -> Raw:
        return read_four(FILES, size=self.size, grey=self.grey)
