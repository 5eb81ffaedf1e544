from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stealproof.errors import InvalidData
from stealproof.inputs.data import open_data, open_pool
from stealproof.oracle import Domain

ASSETS = Path(__file__).parents[1] / "assets" / "images"


def draw(folder: Path, count: int, *, shape: tuple[int, ...] = (6, 5), value: int = 51) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(np.full(shape, value + number, dtype=np.uint8)).save(folder / f"{number}.png")


def test_a_sub_folder_is_a_class(tmp_path: Path) -> None:
    draw(tmp_path / "cat", 4)
    draw(tmp_path / "dog", 4, value=102)
    data = open_data(str(tmp_path), pool_fraction=0.0, test_fraction=0.0)
    assert (data.classes, data.domain.shape) == (2, (1, 6, 5))
    assert data.description["labels"] == ["cat", "dog"]
    assert ((data.train.x[:, 0, 0, 0] > 0.3).long() == data.train.y).all()


def test_train_and_test_folders_are_the_official_parts(tmp_path: Path) -> None:
    for part, count in (("train", 6), ("test", 2)):
        draw(tmp_path / part / "cat", count)
        draw(tmp_path / part / "dog", count, shape=(6, 5, 3))
    data = open_data(str(tmp_path))
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 8, "pool": 4, "test": 4}
    assert data.domain.shape == (3, 6, 5)
    draw(tmp_path / "test" / "cow", 1)
    with pytest.raises(InvalidData, match="has the classes cow, which the training images do not have"):
        open_data(str(tmp_path))


def test_a_flat_folder_is_a_pool_in_the_victims_size_and_colours(tmp_path: Path) -> None:
    draw(tmp_path, 3, shape=(9, 9, 3))
    pool = open_pool(str(tmp_path), domain=Domain(shape=(1, 4, 4)))
    assert pool is not None
    assert pool.x.shape == (3, 1, 4, 4)
    assert pool.labels is None


def test_the_description_follows_names_and_bytes(tmp_path: Path) -> None:
    draw(tmp_path, 2)
    before = open_data(str(tmp_path)).description
    assert open_data(str(tmp_path)).description == before
    (tmp_path / "0.png").rename(tmp_path / "7.png")
    assert open_data(str(tmp_path)).description["sha256"] != before["sha256"]


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="has no images; expected files ending in"):
        open_data(str(tmp_path))
    draw(tmp_path / "cat", 1)
    with pytest.raises(InvalidData, match="has 1 sub-folders, expected one for each of at least 2 classes"):
        open_data(str(tmp_path))
    draw(tmp_path / "dog", 1, shape=(7, 7))
    with pytest.raises(InvalidData, match=r"images of different sizes \(5x6, 7x7\); give one with size="):
        open_data(str(tmp_path))
    assert open_data(str(tmp_path), size=4, test_fraction=0.0).domain.shape == (1, 4, 4)
    shutil.copy(ASSETS / "cut_short.png", tmp_path / "dog")
    with pytest.raises(InvalidData, match=r"cut_short\.png is no readable image"):
        open_data(str(tmp_path))
