from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import InputError
from stealproof.interactions.criterion import DEFAULT_CRITERION, Criterion, Interaction, interaction
from stealproof.interactions.sensitivity import FACTORS, sensitivity


def pair(loss: float, criterion: Criterion = DEFAULT_CRITERION) -> Interaction:
    alone = {"a": {"accuracy": [0.90, 0.91, 0.90]}, "b": {"accuracy": [0.95] * 3, "b.effect": [0.9, 0.8, 0.9]}}
    together = {"accuracy": [0.90 - loss, 0.90 - loss, 0.91 - loss], "b.effect": [0.8, 0.8, 0.9]}
    return interaction("a", "b", alone=alone, together=together, criterion=criterion)


@given(st.floats(-0.2, 0.4), st.sampled_from(FACTORS))
def test_scaling_the_verdict_is_judging_by_the_scaled_criterion(loss: float, factor: float) -> None:
    (found,) = sensitivity([pair(loss)], [factor])
    assert found.verdicts == (pair(loss, DEFAULT_CRITERION.scaled(factor)).verdict,)


def test_the_flips_lie_where_the_interval_meets_the_limit() -> None:
    (found,) = sensitivity([pair(0.1)])
    assert (found.verdicts[0], found.verdicts[-1]) == ("conflict", "fine")
    assert not found.stable
    loss = pair(0.1).outcomes[0].difference.difference
    assert found.conflict_below == pytest.approx(loss.low / 0.05)
    assert found.fine_from == pytest.approx(loss.high / 0.05)


def test_nothing_tolerated_stays_nothing_at_any_scale() -> None:
    strict = Criterion.from_table({"accuracy": 0.0})
    (lost,) = sensitivity([pair(0.1, strict)])
    assert set(lost.verdicts) == {"conflict"}
    assert lost.conflict_below == math.inf
    assert lost.as_dict()["conflict_below"] is None
    assert lost.stable


@pytest.mark.parametrize("factors", [[], [0.0], [-1.0], [math.nan]])
def test_factors_must_be_above_zero(factors: list[float]) -> None:
    with pytest.raises(InputError, match="factors above 0"):
        sensitivity([pair(0.1)], factors)
