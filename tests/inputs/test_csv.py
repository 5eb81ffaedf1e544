from __future__ import annotations

from pathlib import Path

import pytest

from stealproof.errors import InvalidData
from stealproof.inputs.data import open_data, open_pool

ASSETS = Path(__file__).parents[1] / "assets" / "csv"
GOOD = "age,job,label\n" + "".join(f"{20 + i},{'cook' if i % 3 else 'smith'},{i % 2}\n" for i in range(12))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(GOOD)
    return path


def test_columns_are_scaled_or_encoded(table: Path) -> None:
    data = open_data(str(table))
    assert data.columns == ("age", "job=cook", "job=smith")
    assert data.classes == 2
    assert {name: len(part) for name, part in data.parts.items()} == {"test": 3, "pool": 3, "train": 6}
    assert open_data(str(table), encoding="ordinal").domain.levels == {1: (0.0, 1.0)}


def test_any_column_may_be_the_label_and_text_classes_are_numbered_in_order(table: Path) -> None:
    data = open_data(str(table), label="job", sensitive=("label",))
    assert data.columns == ("age", "label")
    assert data.description["labels"] == ["cook", "smith"]
    assert data.sensitive["train"]["label"].shape == (6,)


def test_numbered_classes_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "ten.csv"
    path.write_text("x,label\n" + "".join(f"{i},{i % 11}\n" for i in range(33)))
    data = open_data(str(path), pool_fraction=0.0, test_fraction=0.0)
    assert data.description["labels"] == [str(i) for i in range(11)]
    ages = (data.train.x[:, 0] * 32).round().long()
    assert (ages % 11).tolist() == data.train.y.tolist()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_label.csv", "has no column 'label'; it has: age, job, outcome; name the label column with label="),
        ("row_too_short.csv", "line 3 has 2 cells, expected 3 as in the header"),
        ("empty_cells.csv", "column 'age' of .* has 1 empty cells; fill or drop them first"),
        ("nan.csv", "column 'age' of .* contains NaN or infinite values"),
        ("header_only.csv", "has 0 rows below its header; expected at least 1"),
        ("two_of_a_name.csv", "has two columns of the same name in its header: age, age, label"),
        ("one_class.csv", "column 'label' of .* has 1 different values, expected classes"),
        ("no_utf8.csv", "is no readable UTF-8 text"),
        ("names.csv", "column 'name' of .* has 300 different texts, expected at most 256"),
    ],
)
def test_a_bad_table_is_refused_with_one_line(name: str, said: str) -> None:
    with pytest.raises(InvalidData, match=said) as caught:
        open_data(str(ASSETS / name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pool_of_more_rows_is_encoded_as_the_victims_table_was(table: Path, tmp_path: Path) -> None:
    data = open_data(str(table))
    more = tmp_path / "more.csv"
    more.write_text("job,age\nsmith,10\ncook,25.5\nsmith,99\n")
    pool = open_pool(str(more), domain=data.domain, data=data)
    assert pool is not None
    assert pool.labels is None
    assert sorted(pool.x.tolist()) == [[0.0, 0.0, 1.0], [0.5, 1.0, 0.0], [1.0, 0.0, 1.0]]
    more.write_text("job,age\npilot,20\n")
    with pytest.raises(InvalidData, match="column 'job' has the value 'pilot'"):
        open_pool(str(more), domain=data.domain, data=data)
