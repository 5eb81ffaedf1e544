"""Optimizers: the schedule's shape, Muon's orthogonal updates, and stacked models that don't notice each other."""

from __future__ import annotations

import pytest
import torch

from stealproof.errors import InputError
from stealproof.training._optimizers import Muon, make_optimizer, one_cycle, orthogonalised, set_rate
from stealproof.training.recipe import Recipe


def test_one_cycle_rises_and_falls_between_zero_and_one() -> None:
    shares = [one_cycle(step, 99) for step in range(99)]
    peak = shares.index(max(shares))
    assert shares[peak] == pytest.approx(1)
    assert peak == 19
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)
    assert min(shares) > 0
    assert 0 < one_cycle(0, 1) < 1


def test_set_rate_follows_the_schedule_from_each_groups_own_peak() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    recipe = Recipe(optimizer="muon", learning_rate=0.5)
    optimizer = make_optimizer(model.parameters(), recipe)
    set_rate(optimizer, recipe, 49, 99)
    assert [group["lr"] / group["peak"] for group in optimizer.param_groups] == pytest.approx([0.625, 0.625])
    assert [group["peak"] for group in optimizer.param_groups] == pytest.approx([0.5, 0.05])


@pytest.mark.parametrize("shape", [(8, 50), (50, 8), (16, 16)])
def test_orthogonalised_keeps_directions_and_evens_out_singular_values(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalised(matrix)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    ours = torch.linalg.svdvals(result)
    assert ours.max() < 1.25
    # Newton-Schulz lifts singular values of a few percent of the norm; smaller ones (square matrices) stay small.
    if shape[0] != shape[1]:
        assert ours.min() > 0.6
    assert torch.diag(left.T @ result @ right.T).min() > 0 * values.min()


def test_muon_of_stacked_models_equals_muon_of_each() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 1, 3, 3), (4,), (5, 36), (5,), (2, 5), (2,)]
    starts = [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(3)]
    gradients = [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(3)]
    alone = []
    for start, gradient in zip(starts, gradients, strict=True):
        parameters = [torch.nn.Parameter(value.clone()) for value in start]
        optimizer = Muon(parameters, rate=0.1, momentum=0.9, weight_decay=0.01)
        for _ in range(2):
            for parameter, value in zip(parameters, gradient, strict=True):
                parameter.grad = value
            optimizer.step()
        alone.append(parameters)
    stacks = [torch.nn.Parameter(torch.stack(values)) for values in zip(*starts, strict=True)]
    optimizer = Muon(stacks, rate=0.1, momentum=0.9, weight_decay=0.01, stacked=True)
    for _ in range(2):
        for stack, values in zip(stacks, zip(*gradients, strict=True), strict=True):
            stack.grad = torch.stack(values)
        optimizer.step()
    for number, stack in enumerate(stacks):
        torch.testing.assert_close(stack, torch.stack([model[number] for model in alone]))


def test_a_model_without_weights_is_refused() -> None:
    with pytest.raises(InputError, match="the network has no weights to train"):
        make_optimizer(torch.nn.Flatten().parameters(), Recipe())
