"""Regularization: each penalty is what its formula says and does what it is for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stealproof.defenses.training.regularization import SUITED, Regularization
from stealproof.errors import InputError
from stealproof.models.mlp import Mlp
from stealproof.oracle import Domain
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingRun
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe

RECIPE = Recipe(epochs=10, batch=64, weight_decay=0.0, precision="float32")
NOTHING = Part(x=torch.zeros(4, 1, 8, 8), y=torch.zeros(4, dtype=torch.int64))


def run(drawn: int = 4) -> TrainingRun:
    return TrainingRun(domain=Domain(shape=(1, 8, 8)), classes=10, generator=torch.Generator(), drawn=drawn)


def network() -> torch.nn.Module:
    return Mlp(width=8).build((1, 8, 8), 10, torch.Generator().manual_seed(0))


def trained(digits: Dataset, *protections: Regularization, recipe: Recipe = RECIPE) -> torch.nn.Module:
    data = digits.train.take(slice(0, 300))
    return fit(Mlp(width=16), data, classes=10, recipe=recipe, protections=protections)


def test_weights_are_penalised_and_biases_are_not() -> None:
    model = network()
    weights = torch.cat([weight.flatten() for weight in model.parameters() if weight.ndim > 1])
    for kind, size in (("l2", weights.square().sum()), ("l1", weights.abs().sum())):
        term = Regularization(kind=kind, strength=0.5).penalty(model, NOTHING, torch.zeros(4, 10), run())  # type: ignore[arg-type]
        assert term is not None
        torch.testing.assert_close(term, 0.5 * size)


def test_confidence_is_minus_the_mean_entropy_of_the_drawn_rows() -> None:
    logits = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    term = Regularization(kind="confidence", strength=0.5).penalty(network(), NOTHING, logits, run(drawn=4))
    entropy = torch.distributions.Categorical(logits=logits[:4]).entropy().mean()
    torch.testing.assert_close(term, -0.5 * entropy)


def test_each_kind_has_a_strength_that_suits_it() -> None:
    model, logits = network(), torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    for kind, strength in SUITED.items():
        default, given = (
            Regularization(kind=kind, strength=value).penalty(model, NOTHING, logits, run())  # type: ignore[arg-type]
            for value in (None, strength)
        )
        assert default is not None
        assert torch.equal(default, given)  # type: ignore[arg-type]


def test_l2_does_to_weights_what_weight_decay_does_under_sgd(digits: Dataset) -> None:
    penalised = trained(digits, Regularization(strength=1e-3))
    decayed = trained(digits, recipe=replace(RECIPE, weight_decay=2e-3))
    for one, other in zip(penalised.parameters(), decayed.parameters(), strict=True):
        if one.ndim > 1:
            # Biases decay in one run only, so that the weights are close and no more.
            assert float((one - other).detach().norm() / other.detach().norm()) < 0.02


def test_l2_shrinks_weights_l1_thins_them_out_and_confidence_spreads_the_answers(digits: Dataset) -> None:
    plain = trained(digits)
    small, thin = (
        trained(digits, Regularization(strength=1e-2)),
        trained(digits, Regularization(kind="l1", strength=1e-2)),
    )
    modest = trained(digits, Regularization(kind="confidence", strength=0.5))

    def weights(model: torch.nn.Module) -> torch.Tensor:
        return torch.cat([weight.detach().flatten() for weight in model.parameters() if weight.ndim > 1])

    assert float(weights(small).norm()) < 0.9 * float(weights(plain).norm())
    near_zero = [float((weights(model).abs() < 1e-3).float().mean()) for model in (plain, thin)]
    assert near_zero[1] > 0.2 + near_zero[0]
    with torch.no_grad():
        sure = [float(model(digits.test.x.float()).softmax(dim=1).amax(dim=1).mean()) for model in (plain, modest)]
    assert sure[1] < sure[0] - 0.05


def test_a_network_without_matrices_has_nothing_to_shrink() -> None:
    assert Regularization().penalty(torch.nn.BatchNorm1d(2), NOTHING, torch.zeros(4, 10), run()) is None


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_an_impossible_strength_is_refused(strength: float) -> None:
    with pytest.raises(InputError, match="strength of regularization must be finite and at least 0, got"):
        Regularization(strength=strength).prepare(NOTHING, run())
