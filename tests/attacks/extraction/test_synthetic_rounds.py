from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._synthetic_rounds import ask_seeds, extract_in_rounds, plan
from stealproof.errors import InputError
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Domain, Oracle, Transcript
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.extraction import Theft
from stealproof.training.recipe import Recipe

DOMAIN = Domain(shape=(5,))


def oracle(answer: Answer = Answer.LABELS) -> Oracle:
    victim = Mlp(width=8).build((5,), 3, torch.Generator().manual_seed(0))
    return ModuleOracle(victim, domain=DOMAIN, classes=3, access=Access(answer=answer), transcript=Transcript())


def theft(budget: int, *, pool: int = 50, answer: Answer = Answer.LABELS, shares: list[float] | None = None) -> Theft:
    told = [] if shares is None else shares
    return Theft(
        oracle=oracle(answer).limited(budget),
        budget=budget,
        pool=np.random.default_rng(1).random((pool, 5)).astype(np.float32),
        pool_labels=None,
        architecture=Mlp(width=4),
        recipe=Recipe(epochs=2, batch=16),
        seed=0,
        progress=lambda what, share: told.append(share),
    )


def shifted(model: torch.nn.Module, x: NDArray[Any], labels: NDArray[np.int64], number: int) -> NDArray[Any]:
    del model, labels
    return np.asarray(np.clip(x + 0.001 * number, 0, 1))


def run(held: Theft, *, seeds: int = 10, rounds: int | None = None, **more: Any) -> torch.nn.Module:
    x, answers = ask_seeds(held, seeds)
    return extract_in_rounds(held, x, answers, shifted, rounds=rounds, soft=False, **more)


def test_the_set_doubles_until_the_budget_cuts_the_last_round() -> None:
    assert plan(150, 6400, rounds=None) == [150, 300, 600, 1200, 2400, 4800, 6400]
    assert plan(100, 10_000, rounds=5) == [100, 200, 400, 800, 1600, 3200]
    assert plan(100, 100, rounds=None) == [100]
    assert plan(100, 5000, rounds=0) == [100]


def test_every_query_of_the_budget_is_spent_and_none_beyond() -> None:
    held = theft(77)
    run(held)
    assert held.oracle.budget.spent == 77
    assert held.notes == {"seeds": 10, "rounds": 3, "synthetic": 67}


def test_rounds_can_end_before_the_budget() -> None:
    held = theft(500)
    run(held, rounds=2)
    assert held.oracle.budget.spent == 40
    assert held.notes["rounds"] == 2


def test_seeds_are_distinct_natural_inputs_and_never_more_than_there_are() -> None:
    held = theft(100, pool=8)
    assert held.pool is not None
    x, answers = ask_seeds(held, 30)
    assert len(x) == len(answers) == 8
    assert {row.tobytes() for row in x} == {row.tobytes() for row in held.pool}
    assert len(ask_seeds(theft(3), 30)[0]) == 3


def test_integer_pools_become_numbers_that_can_move() -> None:
    held = theft(20)
    held.pool = np.zeros((10, 5), dtype=np.uint8)
    assert ask_seeds(held, 5)[0].dtype == np.float32


def test_a_reservoir_takes_distinct_parents() -> None:
    held = theft(60)
    asked: list[NDArray[Any]] = []

    def remember(model: torch.nn.Module, x: NDArray[Any], labels: NDArray[np.int64], number: int) -> NDArray[Any]:
        asked.append(x)
        return shifted(model, x, labels, number)

    x, answers = ask_seeds(held, 20)
    extract_in_rounds(held, x, answers, remember, rounds=None, soft=False, growth=lambda count, number: 15)
    assert [len(parents) for parents in asked] == [15, 15, 10]
    assert all(len(np.unique(parents, axis=0)) == len(parents) for parents in asked)


def test_progress_never_runs_backwards() -> None:
    shares: list[float] = []
    run(theft(90, shares=shares))
    assert shares == sorted(shares)
    assert max(shares) <= 1


@pytest.mark.parametrize(("seeds", "rounds", "said"), [(0, None, "seeds must be .* 1, got 0"), (5, -1, "0, got -1")])
def test_impossible_numbers_are_refused(seeds: int, rounds: int | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(theft(30), seeds=seeds, rounds=rounds)
