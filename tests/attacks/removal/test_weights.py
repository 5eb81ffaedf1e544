"""What the removals that only change weights owe: an exact share of zeros, few values, noise of the size named."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from stealproof.attacks.removal._network import weight_matrices
from stealproof.attacks.removal.weight_noise import WeightNoise
from stealproof.attacks.removal.weight_pruning import WeightPruning
from stealproof.attacks.removal.weight_quantization import WeightQuantization, quantized
from stealproof.attacks.removal.weight_shifting import WeightShifting
from stealproof.errors import InputError
from stealproof.roles.dataset import Dataset
from stealproof.roles.removal import Removal
from stealproof.training.trained import Trained


def washed(removal: Removal, stolen: Trained, data: Dataset) -> torch.nn.Module:
    return removal.erase(stolen.model, data.pool, domain=data.domain, classes=data.classes)


def matrices(model: torch.nn.Module) -> list[torch.Tensor]:
    return [weight.detach() for weight in weight_matrices(model)]


def zeros(weights: list[torch.Tensor]) -> int:
    return sum(int((weight == 0).sum()) for weight in weights)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99, 1.0])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_pruning_zeroes_exactly_the_share(
    share: float, scope: Literal["global", "layer"], digits_victim: Trained, digits: Dataset
) -> None:
    model = washed(WeightPruning(share=share, scope=scope), digits_victim, digits)
    weights = matrices(model)
    if scope == "layer":
        assert [zeros([w]) for w in weights] == [round(share * w.numel()) for w in weights]
    assert zeros(weights) == pytest.approx(share * sum(w.numel() for w in weights), abs=1)


def test_pruning_takes_the_smallest_and_leaves_the_others(digits_victim: Trained, digits: Dataset) -> None:
    model = washed(WeightPruning(share=0.5), digits_victim, digits)
    pairs = list(zip(matrices(digits_victim.model), matrices(model), strict=True))
    largest = max(float(old[new == 0].abs().max()) for old, new in pairs)
    smallest = min(float(new[new != 0].abs().min()) for _, new in pairs)
    assert largest <= smallest
    assert all(torch.equal(old[new != 0], new[new != 0]) for old, new in pairs)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_quantization_leaves_few_values_no_further_than_half_a_step(
    bits: int, digits_victim: Trained, digits: Dataset
) -> None:
    model = washed(WeightQuantization(bits=bits), digits_victim, digits)
    for old, new in zip(matrices(digits_victim.model), matrices(model), strict=True):
        assert len(new.unique()) <= 2**bits
        step = float(old.max() - old.min()) / (2**bits - 1)
        # The grid moves by up to half a step so that zero lies on it, which the outermost values feel.
        assert float((old - new).abs().max()) <= step * 1.001
        assert 0 in quantized(torch.tensor([*old.flatten()[:5], 0.0]), bits)


def test_quantization_keeps_weights_that_are_all_zero() -> None:
    assert torch.equal(quantized(torch.zeros(3, 2), 4), torch.zeros(3, 2))


def test_noise_has_the_size_that_it_is_said_to_have(digits_victim: Trained, digits: Dataset) -> None:
    model = washed(WeightNoise(scale=0.5), digits_victim, digits)
    old, new = matrices(digits_victim.model)[0], matrices(model)[0]
    assert float((new - old).std() / old.std()) == pytest.approx(0.5, rel=0.05)
    biases = [name for name in model.state_dict() if name.endswith("bias")]
    assert all(torch.equal(model.state_dict()[name], digits_victim.model.state_dict()[name]) for name in biases)


def test_shifting_moves_hidden_layers_far_and_training_brings_the_task_back(
    digits_victim: Trained, digits: Dataset
) -> None:
    model = washed(WeightShifting(), digits_victim, digits)
    old, new = matrices(digits_victim.model)[0], matrices(model)[0]
    assert float((new - old).norm() / old.norm()) > 0.8
    shifted = Trained(model=model, domain=digits.domain, classes=digits.classes, card={})
    assert shifted.accuracy(digits.test).value > 0.9


def test_a_single_linear_layer_has_nothing_to_shift(digits: Dataset) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    with pytest.raises(InputError, match="needs a convolution or a hidden layer"):
        WeightShifting().erase(model, digits.pool, domain=digits.domain, classes=10)
