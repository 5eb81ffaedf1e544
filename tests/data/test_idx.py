from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stealproof.data._idx import read_idx, read_pair
from stealproof.errors import InvalidData

ASSETS = Path(__file__).parents[1] / "assets" / "idx"


def test_bytes_come_in_the_shape_of_the_header() -> None:
    assert read_idx(ASSETS / "good.gz").tolist() == np.arange(12).reshape(3, 2, 2).tolist()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cut_short.gz", r"cut_short\.gz is damaged or cut short"),
        ("too_few_bytes.gz", r"its header promises 12 bytes for shape \(3, 2, 2\), got 7"),
        ("of_floats.gz", r"does not start like an idx file of bytes, got 00000d03"),
        ("no_gzip.gz", r"no_gzip\.gz is damaged or cut short"),
    ],
)
def test_a_damaged_file_is_named(name: str, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        read_idx(ASSETS / name)


def test_images_and_labels_must_belong_together() -> None:
    with pytest.raises(InvalidData, match=r"do not belong together, got shapes \(3, 2, 2\) and \(3, 2, 2\)"):
        read_pair(ASSETS / "good.gz", ASSETS / "good.gz", size=2, grey=True)
