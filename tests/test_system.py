from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from stealproof.errors import InputError, UnknownName
from stealproof.system import Source, System


@dataclass(frozen=True, kw_only=True)
class Example(System):
    source = Source(authors="a", title="t", venue="v", year=2000, url="")
    rounds: int = 3
    rate: float = 0.1
    policy: Literal["random", "adaptive"] = "random"
    limit: int | None = None
    widths: tuple[int, ...] = (1, 2)


def test_parameters_round_trip() -> None:
    example = Example.make({"rounds": 4, "rate": 1, "policy": "adaptive", "limit": None, "widths": (3,)})
    assert example.parameters() == {"rounds": 4, "rate": 1, "policy": "adaptive", "limit": None, "widths": (3,)}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("rounds", "many", "must be int, got 'many'"),
        ("rounds", True, "must be int, got True"),
        ("rounds", 1.5, "must be int, got 1.5"),
        ("rate", "0.1x", "must be float, got '0.1x'"),
        ("policy", "greedy", "must be one of 'random', 'adaptive', got 'greedy'"),
        ("limit", "none", "must be int | None, got 'none'"),
        ("widths", (1, "2"), "must be tuple"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(key: str, value: object, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        Example.make({key: value})
    assert expected in str(caught.value)
    assert f"parameter {key} of" in str(caught.value)


def test_an_unknown_parameter_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match=r"'round'; did you mean 'rounds'\?"):
        Example.make({"round": 1})
