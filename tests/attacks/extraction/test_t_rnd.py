from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from stealproof.attacks.extraction.t_rnd import TRnd
from stealproof.errors import InputError, InvalidData
from stealproof.measures.agreement import agreement
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Domain, Transcript
from stealproof.oracles.module import ModuleOracle
from stealproof.training.recipe import Recipe

if TYPE_CHECKING:
    from stealproof.roles.dataset import Dataset
    from stealproof.roles.extraction import Surrogate
    from stealproof.training.trained import Trained

RECIPE = Recipe(epochs=100, batch=64, learning_rate=0.05)
LABELS = Access(answer=Answer.LABELS)
METHODS = ("t-ifgsm", "t-fgsm", "n-ifgsm", "n-fgsm", "color")


def steal(
    victim: Trained, data: Dataset, attack: TRnd, budget: int, *, access: Access = LABELS, seed: int = 0
) -> tuple[Surrogate, Transcript]:
    transcript = Transcript()
    oracle = victim.oracle(access, transcript=transcript)
    stolen = attack.steal(oracle, data.pool.x, budget=budget, seed=seed, architecture=Mlp(width=64), recipe=RECIPE)
    return stolen, transcript


def fidelity(model: torch.nn.Module, victim: Trained, data: Dataset) -> float:
    with torch.inference_mode():
        mine = model(data.test.x.float()).argmax(dim=1).numpy()
    return agreement(mine, victim.oracle(LABELS).ask(data.test.x).predicted).value


@pytest.mark.parametrize("method", METHODS)
def test_every_method_asks_within_its_step_and_the_domain(digits_victim: Trained, digits: Dataset, method: Any) -> None:
    attack = TRnd(method=method, seeds=20, hyperparameters="same", step=0.2)
    stolen, transcript = steal(digits_victim, digits, attack, 70)
    x = transcript.all_queries()
    assert stolen.queries == len(x) == 70
    change = np.abs(x[20:40] - x[:20])
    assert 0.1 < change.max() <= 0.2 + 1e-6
    assert x.min() >= 0
    assert x.max() <= 1


def test_targeted_queries_see_more_classes_of_the_victim_than_noise_would(
    digits_victim: Trained, digits: Dataset
) -> None:
    _, transcript = steal(digits_victim, digits, TRnd(seeds=100, hyperparameters="same"), 200)
    labels = transcript.all_answers().predicted
    assert (labels[100:] != labels[:100]).mean() > 0.4


def test_color_shifts_each_channel_of_an_image_by_one_amount() -> None:
    victim = Mlp(width=8).build((3, 6, 6), 4, torch.Generator().manual_seed(0))
    transcript = Transcript()
    oracle = ModuleOracle(victim, domain=Domain(shape=(3, 6, 6)), classes=4, access=LABELS, transcript=transcript)
    pool = np.random.default_rng(0).uniform(0.3, 0.7, size=(30, 3, 6, 6))
    attack = TRnd(method="color", seeds=30, step=0.2, hyperparameters="same")
    attack.steal(oracle, pool, budget=60, architecture=Mlp(width=8), recipe=RECIPE)
    x = transcript.all_queries()
    shift = x[30:] - x[:30]
    assert np.ptp(shift, axis=(2, 3)).max() < 1e-6
    signs = np.sign(shift[:, :, 0, 0])
    assert len(np.unique(signs, axis=0)) > 4
    np.testing.assert_allclose(np.abs(shift), 0.2, atol=1e-6)


def test_color_wants_images() -> None:
    victim = Mlp(width=8).build((5,), 2, torch.Generator().manual_seed(0))
    oracle = ModuleOracle(victim, domain=Domain(shape=(5,)), classes=2, access=LABELS)
    with pytest.raises(InvalidData, match=r"color wants images .* got inputs of shape \(5,\); choose t-ifgsm"):
        TRnd(method="color").steal(oracle, np.zeros((9, 5)), budget=20)


def test_the_search_is_paid_by_the_seeds_and_reported(digits_victim: Trained, digits: Dataset) -> None:
    attack = TRnd(seeds=50, evaluations=3, folds=3, epochs=(2.0, 20.0))
    stolen, _ = steal(digits_victim, digits, attack, 100)
    assert stolen.queries == 100
    trials = stolen.notes["trials"]
    assert len(trials) == 3
    best = max(trial["accuracy"] for trial in trials)
    assert {
        "learning_rate": stolen.notes["learning_rate"],
        "epochs": stolen.notes["epochs"],
        "accuracy": best,
    } in trials
    assert all(2 <= trial["epochs"] <= 20 for trial in trials)
    assert "trials" not in steal(digits_victim, digits, TRnd(hyperparameters="same"), 100)[0].notes


def test_probabilities_teach_more_than_labels_at_the_same_budget(digits_victim: Trained, digits: Dataset) -> None:
    attack = TRnd(seeds=60, hyperparameters="same")
    found: dict[Answer, list[float]] = {Answer.LABELS: [], Answer.PROBABILITIES: []}
    for seed in range(3):
        for answer, values in found.items():
            stolen, _ = steal(digits_victim, digits, attack, 480, access=Access(answer=answer), seed=seed)
            values.append(fidelity(stolen.model, digits_victim, digits))
    assert np.mean(found[Answer.PROBABILITIES]) > np.mean(found[Answer.LABELS]) + 0.01
    assert np.mean(found[Answer.LABELS]) > 0.85


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"step": 0.0}, "step must be above 0, got 0.0"),
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"folds": 1}, "folds must be at least 2, got 1"),
        ({"evaluations": 0}, "evaluations must be at least 1, got 0"),
        ({"epochs": (9.0, 3.0)}, r"epochs must be two bounds, 0 < least <= most, got \(9.0, 3.0\)"),
        ({"learning_rates": (0.1,)}, r"learning_rates must be two bounds, .* got \(0.1,\)"),
    ],
)
def test_bad_parameters_cost_no_query(
    digits_victim: Trained, digits: Dataset, parameters: dict[str, Any], said: str
) -> None:
    oracle = digits_victim.oracle(LABELS)
    with pytest.raises(InputError, match=said):
        TRnd(**parameters).steal(oracle, digits.pool.x, budget=100)
    assert oracle.budget.spent == 0
