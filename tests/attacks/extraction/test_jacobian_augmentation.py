from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from stealproof.attacks.extraction._gradient_steps import fgsm
from stealproof.attacks.extraction.jacobian_augmentation import JacobianAugmentation
from stealproof.errors import InputError
from stealproof.measures.agreement import agreement
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Transcript
from stealproof.training.recipe import Recipe

if TYPE_CHECKING:
    from stealproof.roles.dataset import Dataset
    from stealproof.roles.extraction import Surrogate
    from stealproof.training.trained import Trained

RECIPE = Recipe(epochs=100, batch=64, learning_rate=0.05)
LABELS = Access(answer=Answer.LABELS)


def steal(
    victim: Trained, data: Dataset, attack: JacobianAugmentation, budget: int, *, access: Access = LABELS, seed: int = 0
) -> tuple[Surrogate, Transcript]:
    transcript = Transcript()
    oracle = victim.oracle(access, transcript=transcript)
    stolen = attack.steal(oracle, data.pool.x, budget=budget, seed=seed, architecture=Mlp(width=64), recipe=RECIPE)
    return stolen, transcript


def fidelity(model: torch.nn.Module, victim: Trained, data: Dataset) -> float:
    with torch.inference_mode():
        mine = model(data.test.x.float()).argmax(dim=1).numpy()
    return agreement(mine, victim.oracle(LABELS).ask(data.test.x).predicted).value


def test_the_sign_follows_floor_of_rho_over_tau() -> None:
    attack = JacobianAugmentation(step=0.1, tau=3)
    assert [attack.step_in(rho) for rho in range(1, 8)] == [0.1, 0.1, -0.1, -0.1, -0.1, 0.1, 0.1]
    assert [JacobianAugmentation(tau=0).step_in(rho) for rho in (1, 3, 5)] == [0.1, 0.1, 0.1]


@pytest.mark.parametrize("rounds", [3, 5])
def test_a_reservoir_asks_exactly_what_algorithm_2_says(digits_victim: Trained, digits: Dataset, rounds: int) -> None:
    attack = JacobianAugmentation(seeds=10, rounds=rounds, reservoir=True, sigma=3, kappa=40)
    stolen, _ = steal(digits_victim, digits, attack, 100_000)
    assert stolen.queries == 10 * 2**3 + 40 * (rounds - 3)


def test_new_queries_are_one_step_from_old_ones_inside_the_domain(digits_victim: Trained, digits: Dataset) -> None:
    _, transcript = steal(digits_victim, digits, JacobianAugmentation(seeds=20), 70)
    x = transcript.all_queries()
    assert len(x) == 70
    change = x[20:40] - x[:20]
    assert np.abs(change).max() == pytest.approx(0.1, abs=1e-6)
    assert x.min() >= 0
    assert x.max() <= 1


def test_synthetic_queries_beat_their_seeds_alone(digits_victim: Trained, digits: Dataset) -> None:
    few, many = [], []
    for seed in range(3):
        few.append(
            fidelity(
                steal(digits_victim, digits, JacobianAugmentation(seeds=60), 60, seed=seed)[0].model,
                digits_victim,
                digits,
            )
        )
        many.append(
            fidelity(
                steal(digits_victim, digits, JacobianAugmentation(seeds=60), 960, seed=seed)[0].model,
                digits_victim,
                digits,
            )
        )
    assert np.mean(many) > np.mean(few) + 0.04


def test_its_adversarial_examples_fool_the_victim_more_than_noise(digits_victim: Trained, digits: Dataset) -> None:
    stolen, _ = steal(digits_victim, digits, JacobianAugmentation(seeds=60), 960)
    x, y = digits.test.x.numpy(), digits.test.y.numpy()
    oracle = digits_victim.oracle(LABELS)
    examples = fgsm(stolen.model, x, y, epsilon=0.3, domain=oracle.domain)
    signs = np.random.default_rng(0).choice([-0.3, 0.3], size=x.shape)
    noise = oracle.domain.clip(x + signs)
    fooled = float((oracle.ask(examples).predicted != y).mean())
    assert fooled > 0.6
    assert fooled > float((oracle.ask(noise).predicted != y).mean()) + 0.3


def test_labels_are_all_it_uses_unless_told_otherwise(digits_victim: Trained, digits: Dataset) -> None:
    attack = JacobianAugmentation(seeds=30)
    full = Access(answer=Answer.PROBABILITIES)
    from_labels, from_scores = (steal(digits_victim, digits, attack, 120, access=a)[0] for a in (LABELS, full))
    soft = steal(digits_victim, digits, JacobianAugmentation(seeds=30, soft=True), 120, access=full)[0]
    assert same(from_labels, from_scores)
    assert not same(from_scores, soft)


def same(one: Surrogate, other: Surrogate) -> bool:
    pairs: Any = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"step": 0.0}, "step must not be 0"),
        ({"tau": -1}, "tau must be at least 0, got -1"),
        ({"kappa": 0}, "kappa must be at least 1, got 0"),
        ({"sigma": -2}, "sigma must be at least 0, got -2"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
    ],
)
def test_bad_parameters_cost_no_query(
    digits_victim: Trained, digits: Dataset, parameters: dict[str, Any], said: str
) -> None:
    oracle = digits_victim.oracle(LABELS)
    with pytest.raises(InputError, match=said):
        JacobianAugmentation(**parameters).steal(oracle, digits.pool.x, budget=100)
    assert oracle.budget.spent == 0


def test_richer_answers_change_nothing_by_default(digits: Dataset, digits_victim: Trained) -> None:
    assert JacobianAugmentation.labels_only
    seen = [
        JacobianAugmentation(seeds=20)
        .steal(digits_victim.oracle(Access(answer=answer)), digits.pool.x, budget=50, recipe=Recipe(epochs=3))
        .model.state_dict()
        for answer in (Answer.LABELS, Answer.PROBABILITIES)
    ]
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])
