from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.data._tabular import Codec, unit_scaled
from stealproof.errors import InvalidData

TABLE = {"age": np.array([20.0, 60.0, 40.0]), "job": np.array(["cook", "smith", "nurse"])}


def test_numbers_are_scaled_and_text_becomes_one_column_a_value() -> None:
    codec = Codec.learn(TABLE, "one-hot")
    assert codec.columns == ("age", "job=cook", "job=nurse", "job=smith")
    assert codec.levels == {}
    assert codec.encode(TABLE).tolist() == [[0, 1, 0, 0], [1, 0, 0, 1], [0.5, 0, 1, 0]]


def test_ordinal_columns_know_the_values_that_they_take() -> None:
    codec = Codec.learn(TABLE, "ordinal")
    assert codec.columns == ("age", "job")
    assert codec.levels == {1: (0.0, 0.5, 1.0)}
    assert codec.encode(TABLE)[:, 1].tolist() == [0.0, 1.0, 0.5]


def test_later_rows_are_encoded_as_the_first_ones_were() -> None:
    codec = Codec.learn(TABLE, "one-hot")
    later = {"job": np.array(["nurse", "nurse"]), "age": np.array([10.0, 30.0])}
    assert codec.encode(later).tolist() == [[0, 0, 1, 0], [0.25, 0, 1, 0]]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"age": np.array([1.0])}, "there is no column 'job'; expected: age, job"),
        ({"age": np.array(["old"]), "job": np.array(["cook"])}, "column 'age' must hold numbers"),
        ({"age": np.array([1.0]), "job": np.array(["pilot"])}, "column 'job' has the value 'pilot', which the model's"),
    ],
)
def test_rows_of_another_table_are_refused(table: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        Codec.learn(TABLE, "one-hot").encode(table)


def test_a_codec_survives_json() -> None:
    for encoding in ("one-hot", "ordinal"):
        codec = Codec.learn(TABLE, encoding)
        assert Codec.from_dict(json.loads(json.dumps(codec.as_dict()))) == codec


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_scaled_columns_fill_the_unit_interval(values: list[float]) -> None:
    x = unit_scaled(np.array(values)[:, None])
    assert x.min() >= 0
    assert x.max() <= 1
    if len(set(values)) > 1:
        assert x.min() == 0
        assert x.max() == 1
