from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InvalidData
from stealproof.oracle import Domain
from stealproof.roles.dataset import DatasetLoader, Raw


@dataclass(frozen=True, kw_only=True)
class Numbered(DatasetLoader):
    """Rows that carry their own number, so that one can see where they went."""

    rows: int = 30
    test: int = 0
    pool: int = 0
    classes: int = 3

    def _read(self) -> Raw:
        numbers = torch.arange(self.rows + self.test + self.pool, dtype=torch.float64)[:, None] / 1000
        labels = torch.arange(len(numbers)) % self.classes
        test, pool = slice(self.rows, self.rows + self.test), slice(self.rows + self.test, None)
        return Raw(
            x=numbers[: self.rows],
            y=labels[: self.rows],
            test_x=numbers[test] if self.test else None,
            test_y=labels[test] if self.test else None,
            pool_x=numbers[pool] if self.pool else None,
            pool_y=labels[pool] if self.pool else None,
            classes=self.classes,
            domain=Domain(shape=(1,)),
            sensitive={"half": (numbers[: self.rows, 0] > 0.01).long()},
        )


def numbers(loader: DatasetLoader) -> dict[str, set[int]]:
    return {name: {round(x * 1000) for x in part.x[:, 0].tolist()} for name, part in loader.load().parts.items()}


def test_a_third_goes_to_the_thief_and_a_quarter_to_the_examiner() -> None:
    assert {name: len(found) for name, found in numbers(Numbered(rows=36)).items()} == {
        "test": 9,
        "pool": 9,
        "train": 18,
    }


@given(st.integers(1, 60), st.integers(0, 9), st.integers(0, 9), st.floats(0, 1), st.floats(0, 1), st.integers(0, 5))
def test_the_parts_hold_every_row_once(
    rows: int, test: int, pool: int, pool_fraction: float, test_fraction: float, seed: int
) -> None:
    loader = Numbered(
        rows=rows, test=test, pool=pool, pool_fraction=pool_fraction, test_fraction=test_fraction, split_seed=seed
    )
    parts = numbers(loader)
    assert sorted(number for part in parts.values() for number in part) == list(range(rows + test + pool))
    if test:
        assert parts["test"] == set(range(rows, rows + test))
    if pool:
        assert parts["pool"] == set(range(rows + test, rows + test + pool))


def test_the_split_follows_from_its_seed() -> None:
    assert numbers(Numbered(split_seed=1)) == numbers(Numbered(split_seed=1)) != numbers(Numbered(split_seed=2))


def test_a_foreign_pool_and_rows_without_labels_belong_to_the_thief() -> None:
    assert list(numbers(Numbered(pool_fraction=1.0))) == ["pool"]
    assert list(numbers(Numbered(classes=1))) == ["pool"]


def test_sensitive_attributes_stay_with_their_rows() -> None:
    data = Numbered().load()
    for name, part in data.parts.items():
        assert torch.equal(data.sensitive[name]["half"], (part.x[:, 0] > 0.01).long())


def test_the_description_is_what_the_data_follow_from() -> None:
    assert Numbered(split_seed=4).load().description["parameters"]["split_seed"] == 4


@pytest.mark.parametrize("name", ["pool_fraction", "test_fraction"])
@pytest.mark.parametrize("value", [-0.1, 1.5, math.nan])
def test_fractions_lie_between_0_and_1(name: str, value: float) -> None:
    with pytest.raises(InvalidData, match=f"{name} must lie between 0 and 1, got"):
        Numbered.make({name: value}).load()


def test_a_part_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidData, match="has no part 'train'; it has: pool"):
        Numbered(pool_fraction=1.0).load().train  # noqa: B018
