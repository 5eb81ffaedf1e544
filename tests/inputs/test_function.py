from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stealproof.errors import InputError, InvalidData, UnknownName
from stealproof.inputs import _python
from stealproof.inputs.data import open_data

MODULE = """
import numpy as np

X, Y = np.linspace(0, 1, 48).reshape(12, 4), np.arange(12) % 3

def pair():
    return X, Y

def four():
    return X[:8], Y[:8], X[8:], Y[8:]

def named():
    return {"x": X[:8], "y": Y[:8], "pool_x": X[8:]}

def whole():
    from stealproof.inputs.data import open_data
    return open_data("iris")

def spoilt():
    import dataclasses
    from stealproof.inputs.data import open_data
    data = open_data("iris")
    return dataclasses.replace(data, classes=2)

def nothing():
    return None

def broken():
    return 1 / 0
"""


@pytest.fixture(autouse=True)
def in_a_folder_with_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own_data_for_tests.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield
    assert sys.path == before
    sys.modules.pop("own_data_for_tests", None)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("pair", {"train": 6, "pool": 3, "test": 3}),
        ("four", {"train": 5, "pool": 3, "test": 4}),
        ("named", {"train": 6, "pool": 4, "test": 2}),
    ],
)
def test_arrays(name: str, parts: dict[str, int]) -> None:
    data = open_data(f"own_data_for_tests:{name}")
    assert {key: len(part) for key, part in data.parts.items()} == parts
    assert len(data.description["sha256"]) == 64


def test_a_data_set_is_taken_as_it_is_and_checked() -> None:
    data = open_data("own_data_for_tests:whole")
    assert torch.equal(data.train.x, open_data("iris").train.x)
    assert len(data.description["sha256"]) == 64
    with pytest.raises(InvalidData, match=r"labels 0\.\.2, expected 0\.\.1"):
        open_data("own_data_for_tests:spoilt")


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ("own_data_for_tests:nothing", InvalidData, r"returned NoneType, expected a Dataset, \(x, y\)"),
        ("own_data_for_tests:broken", InputError, "failed with ZeroDivisionError: division by zero"),
        (
            "own_data_for_tests:piar",
            UnknownName,
            "no function in own_data_for_tests is named 'piar'; did you mean 'pair'",
        ),
        ("no_such_module_here:pair", InputError, "could not import no_such_module_here .* must be installed or lie in"),
    ],
)
def test_a_function_that_does_not_work_says_so_in_one_line(spec: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        open_data(spec)
    assert "\n" not in str(caught.value)


def test_what_reads_as_a_function() -> None:
    assert _python.is_function("a.b_c:d")
    for spec in ("a.b", "C:\\data.npz", "http://host:80", "a:b:c", "a b:c", "./a:b"):
        assert not _python.is_function(spec)
