"""Functionally equivalent extraction: the function itself, up to rounding, and a model within any budget."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stealproof.attacks.extraction.functionally_equivalent import FunctionallyEquivalent
from stealproof.attacks.outcome import Examiner
from stealproof.errors import BudgetExceeded, InputError
from stealproof.models._initialise import draw_weights
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Domain, Oracle
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.dataset import Dataset
from stealproof.roles.extraction import Surrogate
from stealproof.seeds import generator
from stealproof.training.recipe import Recipe
from stealproof.training.trained import train

LOGITS = Access(answer=Answer.LOGITS)


def network(inputs: int, width: int, classes: int, seed: int = 0) -> torch.nn.Module:
    return Mlp(width=width).build((inputs,), classes, generator(seed)).double()


def oracle_of(model: torch.nn.Module, inputs: int, classes: int, access: Access = LOGITS) -> Oracle:
    return ModuleOracle(model, domain=Domain(shape=(inputs,)), classes=classes, access=access)


def largest_error(model: torch.nn.Module, surrogate: Surrogate, inputs: int, count: int = 10_000) -> float:
    """Over uniform inputs, up to a constant a row, which no probability shows."""
    x = torch.as_tensor(np.random.default_rng(9).uniform(size=(count, inputs)))
    dtype = next(model.parameters()).dtype
    with torch.inference_mode():
        difference = model(x.to(dtype)).double() - surrogate.model(x)
    return float((difference - difference.mean(dim=1, keepdim=True)).abs().max())


@pytest.mark.parametrize(("inputs", "width", "classes"), [(10, 8, 2), (10, 32, 3), (30, 16, 2), (64, 32, 10)])
def test_recovers_the_function_up_to_rounding(inputs: int, width: int, classes: int) -> None:
    model = network(inputs, width, classes)
    oracle = oracle_of(model, inputs, classes)
    surrogate = FunctionallyEquivalent().steal(oracle, budget=40_000)
    assert surrogate.notes["complete"]
    assert surrogate.queries < 20_000
    assert largest_error(model, surrogate, inputs) < 1e-6
    assert Examiner(oracle, None).examine(surrogate.model)["uniform_fidelity"].value == 1.0


def test_one_output_is_enough() -> None:
    model = network(20, 8, 1)
    surrogate = FunctionallyEquivalent().steal(oracle_of(model, 20, 1), budget=20_000)
    x = torch.rand(1000, 20, dtype=torch.float64, generator=generator(0))
    with torch.inference_mode():
        assert float((model(x) - surrogate.model(x)).abs().max()) < 1e-6


def test_probabilities_tell_as_much_as_logits() -> None:
    model = network(10, 8, 3)
    access = Access(answer=Answer.PROBABILITIES)
    surrogate = FunctionallyEquivalent().steal(oracle_of(model, 10, 3, access), budget=20_000)
    assert largest_error(model, surrogate, 10) < 1e-6


def test_a_trained_network_on_real_data(digits: Dataset) -> None:
    victim = train(Mlp(width=16), digits, recipe=Recipe(epochs=10, batch=32, precision="float64"))
    surrogate = FunctionallyEquivalent().steal(victim.oracle(LOGITS), digits.pool.x, budget=20_000)
    found = Examiner(victim.oracle(LOGITS), digits.test).examine(surrogate.model)
    assert found["fidelity"].value == 1.0
    assert found["uniform_fidelity"].value == 1.0
    with torch.inference_mode():
        x = digits.test.x.double()
        assert float((victim.model(x) - surrogate.model(x)).abs().max()) < 1e-6


def test_finds_the_victims_own_architecture_when_every_unit_switches() -> None:
    model = network(30, 16, 2, seed=1)
    surrogate = FunctionallyEquivalent().steal(oracle_of(model, 30, 2), budget=20_000)
    assert surrogate.notes["same_architecture"]
    assert surrogate.notes["hidden_units"] == 16
    hidden = next(layer for layer in surrogate.model.modules() if isinstance(layer, torch.nn.Linear))
    ours = torch.nn.functional.normalize(hidden.weight)
    theirs = torch.nn.functional.normalize(model[1].weight)  # type: ignore[index]
    assert float((ours @ theirs.T).max(dim=1).values.min().detach()) > 1 - 1e-9  # signs included


def test_dead_and_always_active_units_become_a_linear_part() -> None:
    model = network(6, 8, 2)
    with torch.no_grad():
        model[1].bias[0] = -100.0  # type: ignore[index]
        model[1].bias[1] = 100.0  # type: ignore[index]
    surrogate = FunctionallyEquivalent().steal(oracle_of(model, 6, 2), budget=20_000)
    assert surrogate.notes["hidden_units"] <= 6
    assert not surrogate.notes["same_architecture"]
    assert largest_error(model, surrogate, 6) < 1e-6


def test_a_linear_victim_costs_few_queries() -> None:
    model = network(5, 4, 3)[:2]  # type: ignore[index]
    surrogate = FunctionallyEquivalent(patience=20).steal(oracle_of(model, 5, 4), budget=1000)
    assert surrogate.notes["hidden_units"] == 0
    assert surrogate.queries < 300
    assert largest_error(model, surrogate, 5) < 1e-9


def test_single_precision_costs_accuracy_not_the_model() -> None:
    model = Mlp(width=8).build((10,), 2, generator(0))
    oracle = oracle_of(model, 10, 2)
    surrogate = FunctionallyEquivalent().steal(oracle, budget=20_000)
    assert 1e-7 < largest_error(model, surrogate, 10) < 1e-2
    assert Examiner(oracle, None).examine(surrogate.model)["uniform_fidelity"].value > 0.999


@pytest.mark.parametrize("budget", [250, 1000, 2500])
def test_returns_a_model_within_any_budget(budget: int) -> None:
    model = network(64, 32, 10)
    oracle = oracle_of(model, 64, 10)
    surrogate = FunctionallyEquivalent().steal(oracle, budget=budget)
    assert surrogate.queries <= budget
    assert not surrogate.notes["complete"]
    assert Examiner(oracle, None).examine(surrogate.model)["uniform_fidelity"].value > 0.7


def test_too_small_a_budget_names_what_is_needed() -> None:
    with pytest.raises(
        BudgetExceeded, match=r"needs at least 211 queries for one hidden unit on 64 inputs .* got a budget of 100"
    ):
        FunctionallyEquivalent().steal(oracle_of(network(64, 8, 2), 64, 2), budget=100)


def test_a_smooth_victim_is_refused_not_searched_for_ever() -> None:
    layers = (torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2))
    smooth = draw_weights(torch.nn.Sequential(*layers), generator(0)).double()
    with pytest.raises(InputError, match="steals ReLU networks of one hidden layer, use knockoff_nets"):
        FunctionallyEquivalent().steal(oracle_of(smooth, 4, 2), budget=10**8)


def test_a_deeper_victim_ends_in_an_incomplete_model() -> None:
    deep = Mlp(width=8, depth=2).build((4,), 2, generator(0)).double()
    with torch.no_grad():
        for weights in deep.parameters():
            weights.mul_(3)
    surrogate = FunctionallyEquivalent(patience=40).steal(oracle_of(deep, 4, 2), budget=10**8)
    assert surrogate.queries < 10**6
    assert not surrogate.notes["complete"]


def test_refuses_a_patience_of_zero() -> None:
    with pytest.raises(InputError, match="patience must be at least 1, got 0"):
        FunctionallyEquivalent(patience=0).steal(oracle_of(network(4, 3, 2), 4, 2), budget=100)
