from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from stealproof import seeds

NAMES = st.lists(st.text(max_size=8), max_size=3)


@given(st.integers(0, 2**62), NAMES)
def test_a_derived_seed_is_repeatable_and_fits_63_bits(seed: int, names: list[str]) -> None:
    derived = seeds.derive(seed, *names)
    assert derived == seeds.derive(seed, *names)
    assert 0 <= derived < 2**63


def test_other_names_give_other_streams() -> None:
    streams = {seeds.derive(0), seeds.derive(0, "a"), seeds.derive(0, "b"), seeds.derive(0, "a", "b"), seeds.derive(1)}
    assert len(streams) == 5


def test_both_libraries_get_a_generator_of_their_own() -> None:
    assert seeds.rng(1, "x").random() == seeds.rng(1, "x").random()
    one, two = (torch.rand(3, generator=seeds.generator(1, "x")) for _ in range(2))
    assert torch.equal(one, two)
