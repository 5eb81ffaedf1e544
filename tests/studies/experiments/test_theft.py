from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stealproof.errors import BudgetExceeded, InputError, InvalidData, UnknownName
from stealproof.inputs.model import save_model
from stealproof.measures.estimate import Estimate
from stealproof.studies.experiments.theft import Theft
from stealproof.studies.store import Store
from stealproof.studies.workshop import Workshop
from stealproof.training.trained import Trained

SMALL: dict[str, Any] = {
    "data": "digits",
    "victim": "mlp",
    "victim_parameters": {"width": 32},
    "victim_recipe": {"epochs": 20.0},
    "architecture": "mlp",
    "recipe": {"epochs": 30.0},
    "budget": 200,
    "uniform": 200,
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(Store(tmp_path_factory.mktemp("store")))


def steal(workshop: Workshop, **changes: Any) -> dict[str, Estimate]:
    theft = Theft.make({**SMALL, **changes})
    assert isinstance(theft, Theft)
    theft.check()
    return dict(theft.run(seed=0, workshop=workshop).estimates)


def test_gives_what_it_declares_and_repeats(workshop: Workshop) -> None:
    first, second = steal(workshop), steal(workshop)
    assert set(first) <= set(Theft.measures)
    assert first["queries"].value == 200
    assert first["fidelity"].value > 0.8
    assert first["victim_accuracy"].value > 0.85
    assert {k: e for k, e in first.items() if k != "cpu_seconds"} == {
        k: e for k, e in second.items() if k != "cpu_seconds"
    }


def test_pools_differ_in_worth(workshop: Workshop) -> None:
    own, noise = steal(workshop), steal(workshop, pool="noise")
    assert own["fidelity"].value > noise["fidelity"].value + 0.1
    assert noise["queries"].value == 200


def test_a_foreign_pool_must_fit_and_not_overlap_the_test_part(workshop: Workshop) -> None:
    with pytest.raises(InvalidData, match="the pool iris does not fit the victim: expected queries of shape"):
        steal(workshop, pool="iris", pool_parameters={"pool_fraction": 0.5}, budget=5)
    with pytest.raises(InvalidData, match="rows are also among the 449 test rows"):
        steal(workshop, pool="digits", pool_parameters={"split_seed": 5}, budget=50)


def test_less_access_tells_less(workshop: Workshop) -> None:
    measured = steal(workshop, access="labels", attack_parameters={"policy": "random"})
    # The examiner sees probabilities whatever the thief sees.
    assert measured["kl"].value > steal(workshop)["kl"].value


def test_a_victim_seed_fixes_the_victim(workshop: Workshop) -> None:
    theft = Theft.make({**SMALL, "victim_seed": 3, "uniform": 0})
    one, two = (theft.run(seed=seed, workshop=workshop).estimates for seed in (0, 1))
    assert one["victim_accuracy"] == two["victim_accuracy"]
    assert one["accuracy"] != two["accuracy"]
    assert not [name for name in one if name.startswith("uniform")]


def test_a_model_file_can_be_the_target(workshop: Workshop, digits_victim: Trained, tmp_path: Path) -> None:
    path = save_model(digits_victim, tmp_path / "mine.safetensors")
    measured = steal(workshop, victim="", victim_parameters={}, victim_recipe={}, target=str(path), access="top-3")
    assert measured["fidelity"].value > 0.8


def test_the_usual_network_stands_in_for_names_left_open(workshop: Workshop) -> None:
    measured = steal(workshop, victim="", victim_parameters={}, architecture="", recipe={})
    assert measured["fidelity"].value > 0.8


def test_no_pool_is_refused_by_attacks_that_need_one(workshop: Workshop) -> None:
    with pytest.raises(InvalidData, match="knockoff_nets needs a pool"):
        steal(workshop, pool="none")
    with pytest.raises(BudgetExceeded, match="at most the pool's"):
        steal(workshop, budget=10_000)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"pool": "minst"}, UnknownName, "pool: no dataset is named 'minst'; did you mean 'mnist'"),
        ({"target": "x.onnx"}, InputError, "expected a victim or a target, got both: 'mlp' and 'x.onnx'"),
        ({"access": "everything"}, InputError, "access: no access is called 'everything'"),
        ({"attack_parameters": {"polcy": 1}}, UnknownName, "attack: no parameter of knockoff_nets is named 'polcy'"),
        ({"victim_recipe": {"batch": "x"}}, InputError, "victim_recipe: the recipe's batch must be a number"),
    ],
)
def test_check_names_the_field(changes: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        Theft.make({**SMALL, **changes}).check()
