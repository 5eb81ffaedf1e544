from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stealproof.errors import InputError, InvalidData, MissingData, UnknownName, UnsafeFile
from stealproof.inputs.data import check_disjoint, open_data, open_pool
from stealproof.oracle import Domain
from stealproof.roles.dataset import Dataset, Part

ASSETS = Path(__file__).parents[1] / "assets"
ROWS = np.linspace(0, 1, 48).reshape(12, 4)
LABELS = np.arange(12) % 3


def saved(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


def test_an_npz_is_cut_into_three_parts(tmp_path: Path) -> None:
    data = open_data(saved(tmp_path / "own.npz", x=ROWS, y=LABELS))
    assert {name: len(part) for name, part in data.parts.items()} == {"test": 3, "pool": 3, "train": 6}
    assert (data.name, data.classes, data.domain.shape, data.train.x.dtype) == ("own.npz", 3, (4,), torch.float64)
    every = torch.cat([part.x for part in data.parts.values()])
    assert sorted(every[:, 0].tolist()) == sorted(ROWS[:, 0].tolist())


def test_an_npz_may_bring_its_own_test_and_pool(tmp_path: Path) -> None:
    spec = saved(tmp_path / "own.npz", x=ROWS[:6], y=LABELS[:6], test_x=ROWS[6:9], test_y=LABELS[6:9], pool_x=ROWS[9:])
    data = open_data(spec)
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 6, "test": 3, "pool": 3}
    assert torch.equal(data.test.y, torch.from_numpy(LABELS[6:9]))


def test_images_of_bytes_become_unit_floats_with_channels_first(tmp_path: Path) -> None:
    x = np.full((12, 5, 6, 3), 51, dtype=np.uint8)
    data = open_data(saved(tmp_path / "own.npz", x=x, y=LABELS))
    assert data.domain.shape == (3, 5, 6)
    assert float(data.train.x[0, 0, 0, 0]) == pytest.approx(0.2)
    assert open_data(saved(tmp_path / "grey.npz", x=x[..., 0], y=LABELS)).domain.shape == (1, 5, 6)


def test_soft_labels_are_kept(tmp_path: Path) -> None:
    y = np.tile([0.25, 0.75], (12, 1))
    data = open_data(saved(tmp_path / "own.npz", x=ROWS, y=y))
    assert data.classes == 2
    assert data.train.y.shape == (6, 2)


def test_the_description_follows_the_content_not_the_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = open_data(saved(tmp_path / "a" / "own.npz", x=ROWS, y=LABELS)).description
    same = open_data(saved(tmp_path / "b" / "own.npz", x=ROWS, y=LABELS)).description
    other = open_data(saved(tmp_path / "b" / "own.npz", x=ROWS**2, y=LABELS)).description
    assert one == same
    assert one["sha256"] != other["sha256"]


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("cut_short.npz", InvalidData, "is damaged or cut short"),
        ("no_zip.npz", InvalidData, "is no .npz file; write one with numpy.savez"),
        ("no_x.npz", InvalidData, "has the arrays inputs, y, expected x, y and"),
        ("x_is_text.npz", InvalidData, "x has dtype <U.*, expected numbers"),
        ("x_is_one_column.npz", InvalidData, r"x has shape \(12,\), expected rows"),
        ("x_has_nan.npz", InvalidData, "contains NaN or infinite values; fill or drop them first"),
        ("x_out_of_range.npz", InvalidData, r"has values from 0 to 255, expected \[0, 1\]"),
        ("x_is_empty.npz", InvalidData, "has no rows; expected at least 1"),
        ("y_too_short.npz", InvalidData, "has 12 rows and 11 labels; expected equally many"),
        ("y_from_one.npz", InvalidData, r"labels 1\.\.3 but none is 0; expected each of 0\.\.C-1, so renumber them"),
        ("y_negative.npz", InvalidData, r"has the label -1, expected labels 0\.\.C-1"),
        ("y_is_real.npz", InvalidData, "that are no class numbers, expected integers"),
        ("test_y_unknown.npz", InvalidData, r"test has labels 1\.\.3, expected 0\.\.2"),
        ("test_y_missing.npz", InvalidData, "has test_x without test_y or the reverse"),
        ("x_is_objects.npz", UnsafeFile, "holds Python objects, which could run code"),
        ("a_pickle.npz", UnsafeFile, "holds a pickle, which could run code when it is loaded"),
    ],
)
def test_a_bad_npz_is_refused_with_one_line(name: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        open_data(str(ASSETS / "npz" / name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_classes_may_be_given_and_then_have_holes(tmp_path: Path) -> None:
    spec = saved(tmp_path / "own.npz", x=ROWS, y=LABELS * 2)
    with pytest.raises(InvalidData, match="none is 1"):
        open_data(spec)
    assert open_data(spec, classes=5).classes == 5
    with pytest.raises(InvalidData, match=r"labels 0\.\.4, expected 0\.\.3"):
        open_data(spec, classes=4)


def test_another_range_may_be_declared(tmp_path: Path) -> None:
    data = open_data(saved(tmp_path / "own.npz", x=ROWS * 10 - 5, y=LABELS), low=-5.0, high=5.0)
    assert (data.domain.low, data.domain.high) == (-5.0, 5.0)


def test_names_and_places_that_do_not_exist() -> None:
    with pytest.raises(UnknownName, match="no data set is named 'digist'; did you mean 'digits'"):
        open_data("digist")
    with pytest.raises(MissingData, match=r"there is no file or folder gone\.npz"):
        open_data("gone.npz")
    with pytest.raises(UnsafeFile, match=r"gone\.pkl is a pickle"):
        open_data("gone.pkl")
    with pytest.raises(InvalidData, match=r"is no kind of file that is read here; expected a \.npz or \.csv"):
        open_data(str(ASSETS / "make_bad_inputs.py"))
    with pytest.raises(UnknownName, match="no parameter of digits is named 'splitseed'; did you mean 'split_seed'"):
        open_data("digits", splitseed=1)
    with pytest.raises(InputError, match="parameter pool_fraction of digits must be float, got 'half'"):
        open_data("digits", pool_fraction="half")


def test_the_own_pool_has_no_labels(digits: Dataset) -> None:
    pool = open_pool("own", domain=digits.domain, data=digits)
    assert pool is not None
    assert len(pool.x) == len(digits.pool)
    assert pool.labels is None


def test_noise_and_none(digits: Dataset) -> None:
    noise = open_pool("noise", domain=digits.domain, noise=7, seed=3)
    again = open_pool("noise", domain=digits.domain, noise=7, seed=3)
    assert noise is not None
    assert again is not None
    assert noise.x.shape == (7, 1, 8, 8)
    assert np.array_equal(noise.x, again.x)
    assert open_pool("none", domain=digits.domain) is None


def test_a_foreign_pool_keeps_its_labels_and_an_unlabelled_one_has_none(tmp_path: Path, digits: Dataset) -> None:
    x = np.random.default_rng(0).random((12, 1, 8, 8)).astype(np.float32)
    labelled = open_pool(saved(tmp_path / "own.npz", x=x, y=LABELS), domain=digits.domain, data=digits)
    assert labelled is not None
    assert labelled.labels is not None
    assert sorted(labelled.labels.tolist()) == sorted(LABELS.tolist())
    bare = open_pool(saved(tmp_path / "bare.npz", x=x), domain=digits.domain, data=digits)
    assert bare is not None
    assert len(bare.x) == 12
    assert bare.labels is None


def test_a_pool_of_another_shape_is_refused(digits: Dataset) -> None:
    with pytest.raises(InvalidData, match=r"the pool iris does not fit the victim: expected queries of shape"):
        open_pool("iris", domain=digits.domain, data=digits)
    with pytest.raises(InvalidData, match="the pool 'own' is a part of the victim's data, and no data were given"):
        open_pool("own", domain=Domain(shape=(4,)))


def test_a_pool_that_overlaps_the_test_split_is_refused(tmp_path: Path, digits: Dataset) -> None:
    x = np.concatenate([digits.test.x[:5].numpy(), digits.train.x[:20].numpy()])
    spec = saved(tmp_path / "leaky.npz", x=x)
    with pytest.raises(InvalidData, match="5 of the pool's 25 rows are also among the 449 test rows"):
        open_pool(spec, domain=digits.domain, data=digits)


def test_rows_of_a_table_may_be_equal_by_chance() -> None:
    rng = np.random.default_rng(0)

    def part(rows: int) -> Part:
        # Six possible rows, so that nearly each has twins.
        return Part(x=torch.from_numpy(rng.integers(0, 6, (rows, 1)) / 6), y=torch.zeros(rows, dtype=torch.int64))

    check_disjoint(part(50), part(50))
    distinct = Part(x=torch.linspace(0, 1, 50)[:, None].double(), y=torch.zeros(50, dtype=torch.int64))
    with pytest.raises(InvalidData, match="1 of the pool's 1 rows"):
        check_disjoint(distinct.take(slice(0, 1)), distinct)
