from __future__ import annotations

from typing import Any

import pytest

from stealproof.errors import InputError, UnknownName
from stealproof.studies.experiments.transfer import Transfer
from stealproof.studies.store import Store
from stealproof.studies.workshop import Workshop

SMALL: dict[str, Any] = {
    "victim": "mlp",
    "victim_recipe": {"epochs": 30, "batch": 64},
    "architecture": "mlp",
    "recipe": {"epochs": 60, "batch": 64},
    "attack_parameters": {"seeds": 60},
    "budget": 480,
    "examples": 300,
}


def test_examples_of_the_surrogate_fool_the_victim_more_than_noise_of_their_size(store: Store) -> None:
    found = Transfer(**SMALL).run(seed=0, workshop=Workshop(store)).estimates
    assert set(found) <= set(Transfer.measures)
    assert found["fgsm"].low > found["noise"].high
    assert found["clean"].value < 0.1
    assert found["targeted_ifgsm"].value > 0.3
    assert found["fgsm"].n == 300
    assert found["fgsm"].method == "clopper-pearson"
    assert found["queries"].value == 480


def test_a_smaller_change_fools_less_and_the_same_seed_gives_the_same(store: Store) -> None:
    workshop = Workshop(store)
    small, again = (Transfer(**SMALL, epsilon=0.02).run(seed=1, workshop=workshop).estimates for _ in range(2))
    large = Transfer(**SMALL, epsilon=0.3).run(seed=1, workshop=workshop).estimates
    assert small["fgsm"] == again["fgsm"]
    assert small["fgsm"].value < large["fgsm"].value - 0.3
    assert small["fidelity"] == large["fidelity"]


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"epsilon": 0.0}, InputError, "epsilon must be above 0, got 0.0"),
        ({"iterations": 0}, InputError, "iterations must be at least 1, got 0"),
        ({"examples": 0}, InputError, "examples must be at least 1, got 0"),
        ({"budget": 0}, InputError, "budget must be at least 1 query, got 0"),
        ({"attack": "jacobian"}, UnknownName, "did you mean 'jacobian_augmentation'"),
    ],
)
def test_what_can_not_run_is_refused_before_anything_is_computed(
    settings: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Transfer(**settings).check()
