"""What every extraction attack owes: it steals within its budget, repeats by seed, and refuses what can't work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from stealproof import catalog
from stealproof.errors import AccessDenied, BudgetExceeded, InputError, InvalidData
from stealproof.oracle import Access, Answer, Oracle
from stealproof.roles.extraction import Extraction, Surrogate

ATTACKS = catalog.names("extraction")
RICHEST = (Answer.LOGITS, Answer.PROBABILITIES, Answer.TOP_K, Answer.LABELS)
BUDGET = 600
"""Enough for the exact attacks on these small victims, and a second or two for those that train."""

Stage = tuple[Oracle, Any]


def attack_named(name: str) -> Extraction:
    made = catalog.make(name, "extraction")
    assert isinstance(made, Extraction)
    return made


@pytest.fixture(scope="session")
def victims() -> Callable[[Extraction, Answer], Stage]:
    """A function from attack and kind of answer to a small victim of the attack's declared kind, and a pool."""
    from stealproof.inputs.data import open_data
    from stealproof.training.recipe import Recipe
    from stealproof.training.trained import Trained, train

    trained: dict[str, tuple[Trained, Any]] = {}

    def make(kind: str) -> tuple[Trained, Any]:
        family, data, recipe = {
            "logistic regression": ("logistic_regression", "breast_cancer", None),
            "decision tree": ("decision_tree", "iris", None),
            "two-layer relu": ("mlp", "iris", Recipe(epochs=30, batch=32, precision="float64")),
        }.get(kind, ("mlp", "digits", Recipe(epochs=20, batch=64)))
        parameters = {"width": 8} if kind == "two-layer relu" else {}
        dataset = open_data(data)
        return train(catalog.make(family, "model", **parameters), dataset, recipe=recipe, seed=0), dataset.pool

    def stage(attack: Extraction, answer: Answer) -> Stage:
        if attack.victims not in trained:
            trained[attack.victims] = make(attack.victims)
        victim, pool = trained[attack.victims]
        return victim.oracle(Access(answer=answer)), pool.x

    return stage


def richest(attack: Extraction) -> Answer:
    """The most telling answers that the attack accepts and a local oracle gives."""
    return next(a for a in RICHEST if a in attack.accepts and a is not Answer.TOP_K and _given(attack, a))


def _given(attack: Extraction, answer: Answer) -> bool:
    return answer is not Answer.LOGITS or attack.victims in ("two-layer relu", "network", "any")


def weights(surrogate: Surrogate) -> list[np.ndarray[Any, Any]]:
    return [tensor.detach().numpy() for tensor in surrogate.model.state_dict().values()]


def global_numpy_state() -> np.ndarray[Any, Any]:
    state: Any = np.random.get_state()  # noqa: NPY002
    return np.asarray(state[1]).copy()


@pytest.mark.parametrize("name", ATTACKS)
class TestEveryExtraction:
    def test_steals_within_its_budget(self, name: str, victims: Callable[..., Stage]) -> None:
        attack = attack_named(name)
        oracle, pool = victims(attack, richest(attack))
        budget = BUDGET if attack.synthesizes or not attack.needs_pool else min(BUDGET, len(pool))
        seen: list[float] = []
        before = oracle.budget.spent
        surrogate = attack.steal(oracle, pool, budget=budget, seed=1, progress=lambda what, share: seen.append(share))
        assert 0 < surrogate.queries <= budget
        assert oracle.budget.spent - before == surrogate.queries
        assert surrogate.attack == name
        assert not surrogate.model.training
        inputs = oracle.domain.uniform(50, np.random.default_rng(0))
        dtype = next((t.dtype for t in surrogate.model.state_dict().values() if t.is_floating_point()), torch.float32)
        with torch.inference_mode():
            logits = surrogate.model(torch.as_tensor(inputs, dtype=dtype))
        assert logits.shape == (50, oracle.classes)
        assert not logits.isnan().any()
        assert all(0 <= share <= 1 for share in seen)

    def test_the_same_seed_gives_the_same_surrogate(self, name: str, victims: Callable[..., Stage]) -> None:
        attack = attack_named(name)
        oracle, pool = victims(attack, richest(attack))
        budget = BUDGET if attack.synthesizes or not attack.needs_pool else min(BUDGET, len(pool))
        one, two = (attack.steal(oracle, pool, budget=budget, seed=3) for _ in range(2))
        assert one.queries == two.queries
        for a, b in zip(weights(one), weights(two), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_refuses_answers_that_tell_too_little(self, name: str, victims: Callable[..., Stage]) -> None:
        attack = attack_named(name)
        for answer in (Answer.LABELS, Answer.PROBABILITIES):
            if answer not in attack.accepts:
                oracle, pool = victims(attack, answer)
                with pytest.raises(AccessDenied, match=f"{name} needs .* from the oracle, which gives {answer}"):
                    attack.steal(oracle, pool, budget=BUDGET)

    def test_refuses_a_budget_below_one(self, name: str, victims: Callable[..., Stage]) -> None:
        attack = attack_named(name)
        oracle, pool = victims(attack, richest(attack))
        with pytest.raises(BudgetExceeded, match="budget must be at least 1 query, got 0"):
            attack.steal(oracle, pool, budget=0)

    def test_a_budget_of_one_ends_in_a_surrogate_or_one_sentence(
        self, name: str, victims: Callable[..., Stage]
    ) -> None:
        attack = attack_named(name)
        oracle, pool = victims(attack, richest(attack))
        try:
            surrogate = attack.steal(oracle, pool, budget=1)
        except (BudgetExceeded, InputError) as error:
            told = str(error)
        else:
            told = f"{surrogate.queries}"
        assert "1" in told

    def test_refuses_a_pool_that_does_not_fit(self, name: str, victims: Callable[..., Stage]) -> None:
        attack = attack_named(name)
        oracle, pool = victims(attack, richest(attack))
        wrong_shape = np.zeros((10, 3, 3))
        with pytest.raises(InvalidData, match="expected queries of shape"):
            attack.steal(oracle, wrong_shape, budget=5)
        spoiled = np.asarray(pool[:20]).copy()
        spoiled.flat[0] = np.nan
        with pytest.raises(InvalidData, match="NaN"):
            attack.steal(oracle, spoiled, budget=5)
        if attack.needs_pool:
            with pytest.raises(InvalidData, match=f"{name} needs a pool"):
                attack.steal(oracle, None, budget=5)
            if not attack.synthesizes:
                with pytest.raises(BudgetExceeded, match="at most the pool's 20 inputs, got 21"):
                    attack.steal(oracle, pool[:20], budget=21)

    def test_leaves_the_global_generators_alone(self, name: str, victims: Callable[..., Stage]) -> None:
        attack = attack_named(name)
        oracle, pool = victims(attack, richest(attack))
        torch_state, numpy_state = torch.get_rng_state(), global_numpy_state()
        try:
            attack.steal(oracle, pool, budget=50)
        except (BudgetExceeded, InputError):
            return
        assert torch.equal(torch_state, torch.get_rng_state())
        np.testing.assert_array_equal(numpy_state, global_numpy_state())


def test_a_thief_shares_no_stream_with_a_victim_of_the_same_seed() -> None:
    """A study gives both the same seed; equal names would start the surrogate from the victim's first weights."""
    from stealproof import seeds
    from stealproof.oracle import Budget, Domain
    from stealproof.oracles.module import ModuleOracle
    from stealproof.roles.extraction import Theft

    oracle = ModuleOracle(torch.nn.Linear(2, 2), domain=Domain(shape=(2,)), classes=2, budget=Budget(limit=1))
    theft = Theft(
        oracle=oracle,
        budget=1,
        pool=None,
        pool_labels=None,
        architecture=None,
        recipe=None,
        seed=0,
        progress=lambda what, share: None,
    )
    for name in ("weights", "order", "uniform", "split"):
        assert theft.rng(name).random() != seeds.rng(0, name).random()
        mine, theirs = theft.generator(name), seeds.generator(0, name)
        assert not torch.equal(torch.rand(3, generator=mine), torch.rand(3, generator=theirs))
