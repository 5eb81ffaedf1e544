"""Every reader on a few rows in the official format; and on the official files where this machine has them."""

from __future__ import annotations

import dataclasses
import gzip
import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stealproof import catalog
from stealproof.data._files import VARIABLE
from stealproof.errors import InvalidData
from stealproof.inputs.data import open_data
from stealproof.roles.dataset import Dataset


def shelve(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, contents: dict[str, bytes]) -> None:
    """Let the data set ``name`` find these contents in place of the official ones, unhashed."""
    for file, content in contents.items():
        path = folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    module = importlib.import_module(f"stealproof.data.{name}")
    constants = [key for key in ("FILES", "SUBSET", "OFFICIAL") if hasattr(module, key)]
    for constant in constants:
        files = getattr(module, constant)
        monkeypatch.setattr(module, constant, dataclasses.replace(files, sha256=dict.fromkeys(files.sha256, "")))
    monkeypatch.setenv(VARIABLE, str(folder))


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """A gzipped idx file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(b"\0\0\x08" + bytes([array.ndim]) + sizes + array.astype(np.uint8).tobytes())


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_four_idx_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    contents = {}
    for part, rows in (("train", 12), ("t10k", 5)):
        contents[f"{part}-images-idx3-ubyte.gz"] = idx(rng.integers(0, 256, (rows, 28, 28)))
        contents[f"{part}-labels-idx1-ubyte.gz"] = idx(np.arange(rows) % 10)
    shelve(monkeypatch, tmp_path, name, contents)
    data = open_data(name)
    assert {key: tuple(part.x.shape) for key, part in data.parts.items()} == {
        "train": (8, 1, 28, 28),
        "pool": (4, 1, 28, 28),
        "test": (5, 1, 28, 28),
    }
    assert data.test.y.tolist() == [0, 1, 2, 3, 4]
    assert sorted(data.train.y.tolist() + data.pool.y.tolist()) == sorted(i % 10 for i in range(12))
    assert open_data(name, size=8, grey=False).domain.shape == (3, 8, 8)


def test_cifar10_planes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = bytes([7]) + bytes([255]) * 1024 + bytes(2048)
    names = ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]
    shelve(monkeypatch, tmp_path, "cifar10", {f"cifar-10-batches-bin/{name}": row * 3 for name in names})
    data = open_data("cifar10")
    assert len(data.train) + len(data.pool) == 6
    assert data.test.x[0, 0].min() == 1
    assert data.test.x[0, 1:].max() == 0
    assert data.test.y.tolist() == [7, 7, 7]
    (tmp_path / "cifar10" / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(row[:-1])
    with pytest.raises(InvalidData, match=r"test_batch\.bin is cut short: expected rows of 3073 bytes, got 3072"):
        open_data("cifar10")


def test_cifar100_pool_from_the_official_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = bytes([3, 42]) + bytes([128]) * 3072
    shelve(monkeypatch, tmp_path, "cifar100_pool", {"cifar-100-binary/test.bin": row * 2})
    data = open_data("cifar100_pool", rows="official", size=28, grey=True)
    assert list(data.parts) == ["pool"]
    assert data.pool.y.tolist() == [42, 42]
    assert data.domain.shape == (1, 28, 28)


def test_notmnist_is_a_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {
        "t10k-images-idx3-ubyte.gz": idx(np.zeros((4, 28, 28))),
        "t10k-labels-idx1-ubyte.gz": idx(np.arange(4)),
    }
    shelve(monkeypatch, tmp_path, "notmnist", contents)
    data = open_data("notmnist")
    assert list(data.parts) == ["pool"]
    assert sorted(data.pool.y.tolist()) == [0, 1, 2, 3]


ADULT = """\
39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, Cuba, <=50K
50, Private, 83311, Bachelors, 13, Divorced, Sales, Husband, Black, Female, 0, 0, 13, United-States, >50K
38, ?, 215646, HS-grad, 9, Divorced, Sales, Husband, White, Male, 0, 0, 40, United-States, <=50K
"""


def test_adult(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = "|1x3 Cross validator\n" + ADULT.replace("K\n", "K.\n") + "\n"
    shelve(monkeypatch, tmp_path, "adult", {"adult.data": ADULT.encode(), "adult.test": test.encode()})
    data = open_data("adult")
    assert data.test.y.tolist() == [0, 1, 0]
    assert "workclass=?" in data.columns
    assert data.sensitive["test"]["sex"].tolist() == [1, 0, 1]
    assert data.sensitive["test"]["race"].tolist() == [1, 0, 1]
    ordinal = open_data("adult", encoding="ordinal", hide_sensitive=True)
    assert ordinal.domain.shape == (12,)
    assert not {"sex", "race"} & set(ordinal.columns)
    assert len(ordinal.domain.levels) == 6
    (tmp_path / "adult" / "adult.data").write_text(ADULT.replace(", Cuba", ""))
    with pytest.raises(InvalidData, match="has a row of 14 cells, expected 15"):
        open_data("adult")


def test_compas_keeps_the_rows_that_propublica_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = (
        "sex,age,age_cat,race,juv_fel_count,juv_misd_count,juv_other_count,priors_count,days_b_screening_arrest,"
        "c_charge_degree,is_recid,score_text,two_year_recid\n"
    )
    kept = [f"Male,{30 + i},25 - 45,Caucasian,0,0,0,{i},-1,F,0,Low,{i % 2}\n" for i in range(6)]
    dropped = [
        kept[0].replace(",-1,F", ",,F"),
        kept[0].replace(",-1,F", ",31,F"),
        kept[0].replace("F,0,Low", "F,-1,Low"),
        kept[0].replace(",F,", ",O,"),
        kept[0].replace("Low", "N/A"),
    ]
    content = (header + "".join(kept + dropped)).encode()
    shelve(monkeypatch, tmp_path, "compas", {"compas-scores-two-years.csv": content})
    data = open_data("compas")
    assert sum(len(part) for part in data.parts.values()) == 6
    assert open_data("compas", hide_sensitive=True).domain.shape[0] < data.domain.shape[0]


def test_german_credit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = "A11 6 A34 A43 1169 A65 A75 4 A93 A101 4 A121 67 A143 A152 2 A173 1 A192 A201 1\n"
    bad = "A12 48 A32 A43 5951 A61 A73 2 A92 A101 2 A121 22 A143 A152 1 A173 1 A191 A201 2\n"
    shelve(monkeypatch, tmp_path, "german_credit", {"german.data": ((good + bad) * 4).encode()})
    data = open_data("german_credit")
    for name, part in data.parts.items():
        # A92 is a woman and, in these rows, a bad risk.
        assert data.sensitive[name]["sex"].tolist() == (1 - part.y).tolist()


EXPECTED = {
    "digits": (1797, (1, 8, 8), 10),
    "breast_cancer": (569, (30,), 2),
    "iris": (150, (4,), 3),
    "mnist": (70000, (1, 28, 28), 10),
    "fashion_mnist": (70000, (1, 28, 28), 10),
    "cifar10": (30000, (3, 32, 32), 10),
    "adult": (48842, (108,), 2),
    "compas": (6172, (18,), 2),
    "german_credit": (1000, (61,), 2),
    "notmnist": (10000, (1, 28, 28), 10),
    "cifar100_pool": (4000, (3, 32, 32), 100),
}
EMBEDDED = {"digits", "breast_cancer", "iris"}
LARGE = {"mnist", "fashion_mnist", "cifar10"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in LARGE else []) for n in EXPECTED])
def test_official_rows(name: str) -> None:
    if name not in EMBEDDED and not (Path(os.environ.get(VARIABLE, "/nowhere")) / name).is_dir():
        pytest.skip(f"{VARIABLE} names no folder with {name}")
    data: Dataset = open_data(name)
    rows, shape, classes = EXPECTED[name]
    assert sum(len(part) for part in data.parts.values()) == rows
    assert data.domain.shape == shape
    assert data.classes == classes
    assert data.description == {"name": name, "parameters": catalog.make(name, "dataset").parameters()}
    if shape == (len(data.columns),):
        assert len(set(data.columns)) == len(data.columns)
