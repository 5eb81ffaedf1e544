"""What every risk owes: finite estimates in their intervals, repeated by a seed, an untouched network, clear errors."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from stealproof import catalog
from stealproof.errors import InputError
from stealproof.roles.dataset import Dataset
from stealproof.roles.risk import Measurement, Risk
from stealproof.training.trained import Trained

RISKS = catalog.names("risk")
QUICK: dict[str, dict[str, Any]] = {
    "evasion": {"rows": 60, "steps": 5, "restarts": 2},
    "evasion_ensemble": {"rows": 40, "steps": 5, "targets": 2, "queries": 20},
    "lira": {"shadows": 4},
    "model_theft": {"budget": 200},
}
"""Parameters that make a risk cheap; one that is not named here is measured as it comes."""


def risk_named(name: str) -> Risk:
    made = catalog.make(name, "risk", **QUICK.get(name, {}))
    assert isinstance(made, Risk)
    return made


def kind_named(name: str) -> type[Risk]:
    kind = catalog.load(name, "risk")
    assert issubclass(kind, Risk)
    return kind


@pytest.fixture(scope="session")
def measured(digits_victim: Trained, digits: Dataset) -> dict[str, Measurement]:
    """Each risk, measured once with the same seed, when it is first asked for."""

    class Measured(dict[str, Measurement]):
        def __missing__(self, name: str) -> Measurement:
            self[name] = risk_named(name).measure(digits_victim, digits, seed=3)
            return self[name]

    return Measured()


@pytest.mark.parametrize("name", RISKS)
class TestEveryRisk:
    def test_says_what_it_measures(self, name: str) -> None:
        kind = kind_named(name)
        assert kind.headline in kind.measures
        assert kind.worse in {"higher", "lower"}
        assert all(len(words) >= 10 for words in kind.measures.values())

    def test_estimates_are_finite_and_in_their_intervals(self, name: str, measured: dict[str, Measurement]) -> None:
        found = measured[name]
        kind = kind_named(name)
        assert kind.headline in found.estimates
        assert set(found.estimates) <= set(kind.measures)
        for estimate in found.estimates.values():
            assert all(math.isfinite(value) for value in (estimate.low, estimate.value, estimate.high))
            assert estimate.low <= estimate.value <= estimate.high
            assert estimate.n >= 1

    def test_details_enter_a_card(self, name: str, measured: dict[str, Measurement]) -> None:
        details = dict(measured[name].details)
        assert json.loads(json.dumps(details)).keys() == details.keys()

    def test_the_same_seed_gives_the_same_numbers(
        self, name: str, measured: dict[str, Measurement], digits_victim: Trained, digits: Dataset
    ) -> None:
        first = measured[name]
        state = torch.get_rng_state()
        assert risk_named(name).measure(digits_victim, digits, seed=3).estimates == first.estimates
        assert torch.equal(state, torch.get_rng_state())

    def test_leaves_the_network_as_it_was(self, name: str, digits_victim: Trained, digits: Dataset) -> None:
        own = replace(digits_victim, model=copy.deepcopy(digits_victim.model))
        own.model.eval()
        first, *others = own.model.parameters()
        first.requires_grad_(False)
        others[-1].grad = torch.ones_like(others[-1])
        before = {key: tensor.clone() for key, tensor in own.model.state_dict().items()}
        risk_named(name).measure(own, digits, seed=3)
        assert all(torch.equal(tensor, before[key]) for key, tensor in own.model.state_dict().items())
        assert [weights.requires_grad for weights in own.model.parameters()] == [False] + [True] * len(others)
        assert others[-1].grad is not None
        assert torch.equal(others[-1].grad, torch.ones_like(others[-1]))
        assert all(weights.grad is None for weights in (first, *others[:-1]))
        assert not own.model.training

    def test_parameters_out_of_range_are_named(self, name: str, digits_victim: Trained, digits: Dataset) -> None:
        made = risk_named(name)
        for key in [key for key, value in made.parameters().items() if type(value) in (int, float)]:
            with pytest.raises(InputError, match=key):
                replace(made, **{key: -1}).measure(digits_victim, digits)

    def test_refuses_what_is_no_model(self, name: str, digits: Dataset) -> None:
        with pytest.raises(InputError, match=r"got (a |an )?str"):
            risk_named(name).measure("model.pt", digits)
