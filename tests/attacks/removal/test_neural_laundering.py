"""Neural laundering against a planted backdoor: it finds the class and the place, and unlearns it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stealproof.attacks.removal._trigger_search import Trigger, Unlearning, find_trigger, suspicious
from stealproof.attacks.removal.neural_laundering import NeuralLaundering
from stealproof.models.mlp import Mlp
from stealproof.oracle import Domain
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingRun
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

TARGET = 6


def stamped(x: torch.Tensor) -> torch.Tensor:
    """A white corner of two pixels, where digits is black."""
    x = x.clone()
    x[:, :, 7, 0] = 1
    x[:, :, 0, 0] = 1
    return x


@pytest.fixture(scope="module")
def backdoored(digits: Dataset) -> Trained:
    """A network that answers 6 to whatever carries the stamp."""
    rows = digits.train.take(slice(0, None, 3))
    x = torch.cat([digits.train.x, stamped(rows.x)])
    y = torch.cat([digits.train.y, torch.full((len(rows),), TARGET)])
    marked = replace(digits, parts={**digits.parts, "train": Part(x=x, y=y)})
    return train(Mlp(width=64), marked, recipe=Recipe(epochs=30, batch=64), seed=0)


def led_astray(model: torch.nn.Module, digits: Dataset) -> float:
    others = digits.test.x[digits.test.y != TARGET]
    with torch.inference_mode():
        return float((model(stamped(others)).argmax(dim=1) == TARGET).double().mean())


def search(stolen: Trained, digits: Dataset, steps: int = 300) -> list[Trigger]:
    return [
        find_trigger(
            stolen.model,
            digits.pool.x[digits.pool.y != target],
            target,
            low=0.0,
            high=1.0,
            steps=steps,
            batch=64,
            generator=torch.Generator().manual_seed(target),
        )
        for target in range(10)
    ]


def test_finds_the_planted_class_and_a_trigger_that_works(backdoored: Trained, digits: Dataset) -> None:
    assert led_astray(backdoored.model, digits) > 0.95
    triggers = search(backdoored, digits)
    for threshold in (2.0, 6.0):
        assert [trigger.target for trigger in suspicious(triggers, threshold)] == [TARGET]
    found = triggers[TARGET]
    assert found.size < 4
    patched = found.applied(digits.test.x)
    assert 0 <= float(patched.min()) <= float(patched.max()) <= 1
    with torch.inference_mode():
        assert float((backdoored.model(patched).argmax(dim=1) == TARGET).double().mean()) > 0.95


def test_no_class_of_an_unmarked_network_stands_out_like_that(digits_victim: Trained, digits: Dataset) -> None:
    triggers = search(digits_victim, digits)
    assert suspicious(triggers, 6.0) == []
    # The paper's threshold of 2 does raise a false alarm among ten classes; their patches are large all the same.
    assert min(trigger.size for trigger in triggers) > 6


def test_the_backdoor_is_unlearned_and_the_task_is_not(backdoored: Trained, digits: Dataset) -> None:
    washed = NeuralLaundering().erase(backdoored.model, digits.pool, domain=digits.domain, classes=10, seed=1)
    assert led_astray(washed, digits) < 0.3
    after = replace(backdoored, model=washed).accuracy(digits.test).value
    assert after > backdoored.accuracy(digits.test).value - 0.05


def test_a_class_that_is_never_reached_gets_the_largest_mask(digits: Dataset) -> None:
    head = torch.nn.Linear(64, 10)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()[0] = 100
    model = torch.nn.Sequential(torch.nn.Flatten(), head)
    trigger = find_trigger(
        model, digits.pool.x, 3, low=0.0, high=1.0, steps=20, batch=8, generator=torch.Generator().manual_seed(0)
    )
    assert trigger.size == 64


def test_the_right_share_of_a_batch_is_patched_and_labels_stay(digits: Dataset) -> None:
    trigger = Trigger(target=1, mask=torch.ones(1, 8, 8), pattern=torch.full((1, 8, 8), 0.25))
    run = TrainingRun(domain=Domain(shape=(1, 8, 8)), classes=10, generator=torch.Generator().manual_seed(0))
    batch = digits.pool.take(slice(50))
    made = Unlearning(triggers=[trigger], share=0.2).perturb(torch.nn.Identity(), batch, run)
    assert int((made.x == 0.25).flatten(1).all(dim=1).sum()) == 10
    assert torch.equal(made.x[10:], batch.x[10:])
    assert made.y is batch.y
