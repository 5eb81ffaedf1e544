"""notMNIST: 10,000 grey 28x28 images of the letters A to J in many fonts; a foreign pool."""

from __future__ import annotations

from dataclasses import dataclass

from stealproof.data._files import Official
from stealproof.data._idx import image_domain, read_pair
from stealproof.roles.dataset import DatasetLoader, Raw
from stealproof.system import Source

FILES = Official(
    folder="notmnist",
    url="https://raw.githubusercontent.com/davidflanagan/notMNIST-to-MNIST/master/",
    sha256={
        "t10k-images-idx3-ubyte.gz": "70ae9e06201f2827e5b0a3781a3169d735dd2efc69996b9eeaee7f10ed4044d7",
        "t10k-labels-idx1-ubyte.gz": "1fa03836e01c862542f8eb83463bb951bebec6fcb3efa28dad748c6b38a9021b",
    },
)


@dataclass(frozen=True, kw_only=True)
class NotMnist(DatasetLoader):
    """Images ``(1, 28, 28)`` in [0, 1] with their own classes, all in the thief's pool."""

    source = Source(
        authors="Bulatov",
        title="notMNIST dataset",
        venue="Machine Learning, etc (blog)",
        year=2011,
        url="https://yaroslavvb.blogspot.com/2011/09/notmnist-dataset.html",
    )
    pool_fraction: float = 1.0
    """A foreign pool: every row belongs to the thief."""
    size: int = 28
    """Height and width; another one resizes to the victim's inputs."""
    grey: bool = True
    """False repeats the grey channel three times."""

    def _read(self) -> Raw:
        images, labels = (FILES.path(name) for name in FILES.sha256)
        x, y = read_pair(images, labels, size=self.size, grey=self.grey)
        return Raw(x=x, y=y, classes=10, domain=image_domain(x))
