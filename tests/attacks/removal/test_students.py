"""Distillation and retraining: nothing of the stolen weights is left, most of its answers are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stealproof.attacks.removal._network import logits
from stealproof.attacks.removal._soft_targets import SoftTargets
from stealproof.attacks.removal._tune import student
from stealproof.attacks.removal.distillation import Distillation
from stealproof.attacks.removal.retraining import Retraining
from stealproof.errors import InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.oracle import Domain
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.removal import Removal, Washing
from stealproof.roles.training_defense import TrainingRun
from stealproof.training.trained import Trained


def washed(removal: Removal, stolen: Trained, data: Dataset) -> torch.nn.Module:
    return removal.erase(stolen.model, data.pool, domain=data.domain, classes=data.classes, seed=2)


def fidelity(one: torch.nn.Module, stolen: Trained, data: Dataset) -> float:
    ours, theirs = (logits(model, data.test.x).argmax(dim=1) for model in (one, stolen.model))
    return float((ours == theirs).double().mean())


@pytest.mark.parametrize("removal", [Distillation(), Retraining(), Retraining(labels="soft")])
def test_a_student_answers_like_its_teacher_with_weights_of_its_own(
    removal: Removal, digits_victim: Trained, digits: Dataset
) -> None:
    model = washed(removal, digits_victim, digits)
    assert fidelity(model, digits_victim, digits) > 0.92
    for ours, theirs in zip(model.parameters(), digits_victim.model.parameters(), strict=True):
        cosine = torch.nn.functional.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0)
        # Biases are few numbers, which may be alike by chance.
        assert ours.ndim == 1 or abs(cosine.item()) < 0.3


def test_wrong_labels_of_the_suspects_do_not_reach_a_retrained_network(digits_victim: Trained, digits: Dataset) -> None:
    wrong = Part(x=digits.pool.x, y=(digits.pool.y + 1) % 10)
    misled = replace(digits, parts={"pool": wrong, "test": digits.test})
    assert fidelity(washed(Retraining(), digits_victim, misled), digits_victim, digits) > 0.92
    assert fidelity(washed(Distillation(hard_share=0.0), digits_victim, misled), digits_victim, digits) > 0.92
    assert fidelity(washed(Distillation(hard_share=1.0), digits_victim, misled), digits_victim, digits) < 0.2


def test_another_architecture_and_one_that_does_not_fit(digits_victim: Trained, digits: Dataset) -> None:
    model = washed(Retraining(architecture="strided_cnn"), digits_victim, digits)
    assert isinstance(model[0], torch.nn.Conv2d)  # type: ignore[index]
    assert fidelity(model, digits_victim, digits) > 0.85
    with pytest.raises(InvalidData, match="lenet wants images"):
        washed(Distillation(architecture="lenet"), digits_victim, digits)
    with pytest.raises(InputError, match=r"architecture must be one of same, mlp, .*, got 'vgg'"):
        washed(Retraining(architecture="vgg"), digits_victim, digits)  # type: ignore[arg-type]


class Scale(torch.nn.Module):
    """A layer with weights that nobody knows how to draw."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.ones(()))


def test_layers_that_can_not_be_drawn_anew_are_named(digits: Dataset) -> None:
    washing = Washing(
        model=torch.nn.Sequential(torch.nn.Linear(64, 10), Scale()),
        data=digits.pool,
        domain=digits.domain,
        classes=10,
        seed=0,
        progress=lambda what, share: None,
    )
    with pytest.raises(InputError, match=r"the weights of 1 \(Scale\) can't be drawn anew; choose an architecture"):
        student(washing, "same", "x")


def test_the_loss_is_hintons() -> None:
    """Against the two terms written out with probabilities."""
    generator = torch.Generator().manual_seed(0)
    teacher, model = (Mlp(width=4).build((3,), 3, generator) for _ in range(2))
    batch = Part(x=torch.rand(5, 3, generator=generator), y=torch.tensor([0, 1, 2, 1, 0]))
    run = TrainingRun(domain=Domain(shape=(3,)), classes=3, generator=generator)
    found = model(batch.x)
    hook = SoftTargets(teacher=teacher, temperature=3.0, hard_share=0.25)
    total = torch.nn.functional.cross_entropy(found, batch.y) + hook.penalty(model, batch, found, run)
    p, q = (one(batch.x).div(3).softmax(dim=1) for one in (teacher, model))
    hard = -found.softmax(dim=1)[torch.arange(5), batch.y].log().mean()
    soft = (p * (p / q).log()).sum(dim=1).mean()
    torch.testing.assert_close(total, 0.25 * hard + 0.75 * 9 * soft)
