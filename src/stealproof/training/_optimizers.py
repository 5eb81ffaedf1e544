"""Optimizers of the training loop, and the schedule of their learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from stealproof.errors import InputError
from stealproof.training.recipe import Recipe

WARM_UP = 0.2
"""Share of a one-cycle run in which the learning rate rises; it falls to zero over the rest."""
ADAM_RATE = 0.1
"""Under Muon: the rate of biases, scales and the last layer (Adam's), as a share of the matrices' rate."""


def make_optimizer(weights: Iterable[torch.Tensor], recipe: Recipe, *, stacked: bool = False) -> torch.optim.Optimizer:
    """The recipe's optimizer for a network's parameters; ``stacked`` if their first axis counts models."""
    parameters = [weight for weight in weights if weight.requires_grad]
    if not parameters:
        raise InputError("the network has no weights to train; expected one with parameters that require gradients")
    rate, decay = recipe.learning_rate, recipe.weight_decay
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "muon":
        optimizer = Muon(parameters, rate=rate, momentum=recipe.momentum, weight_decay=decay, stacked=stacked)
    elif recipe.optimizer == "adam":
        optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
    else:
        momentum = recipe.momentum
        optimizer = torch.optim.SGD(
            parameters, lr=rate, momentum=momentum, weight_decay=decay, nesterov=momentum > 0, fused=True
        )
    for group in optimizer.param_groups:
        group["peak"] = group["lr"]
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, step: int, steps: int) -> None:
    """Set every group's learning rate for ``step`` of ``steps``."""
    share = one_cycle(step, steps) if recipe.schedule == "one-cycle" else 1.0
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def one_cycle(step: int, steps: int) -> float:
    """The share, 0 to 1, of the peak rate at ``step`` of ``steps``: a straight rise, then a straight fall to zero.

    One rise and one fall over the whole run is Smith & Topin 2019, https://arxiv.org/abs/1708.07120, section 3.
    """
    place = (step + 1) / (steps + 1)
    return min(place / WARM_UP, (1 - place) / (1 - WARM_UP))


class Muon(torch.optim.Optimizer):
    """Momentum whose update of a weight matrix is orthogonalised, so that every direction learns equally fast.

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
    https://kellerjordan.github.io/posts/muon. Biases, scales and the last matrix are left to Adam, as there;
    convolutions count as matrices (out, in * height * width).
    """

    def __init__(
        self,
        parameters: Iterable[torch.Tensor],
        *,
        rate: float,
        momentum: float,
        weight_decay: float,
        stacked: bool = False,
    ) -> None:
        """``stacked``: the first axis of every parameter counts models, which are updated independently."""
        self._first = int(stacked)
        every = list(parameters)
        matrices = [weight for weight in every if weight.ndim - self._first >= 2]
        matrices = matrices[:-1]
        chosen = {id(weight) for weight in matrices}
        rest = [weight for weight in every if id(weight) not in chosen]
        groups = [
            {"params": matrices, "lr": rate, "matrices": True, "weight_decay": weight_decay},
            {"params": rest, "lr": ADAM_RATE * rate, "matrices": False, "weight_decay": 0.0},
        ]
        super().__init__([group for group in groups if group["params"]], {"momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        del closure
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                update = self._momentum(weight, group) if group["matrices"] else self._adam(weight)
                weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=group["lr"])

    def _momentum(self, weight: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        gradient = weight.grad
        assert gradient is not None
        average: torch.Tensor = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        direction = gradient.lerp(average, group["momentum"])
        matrix = direction.flatten(1 + self._first)
        # A wide matrix's update is as large as that of a square one of its height.
        scale = max(1.0, matrix.shape[-2] / matrix.shape[-1]) ** 0.5
        return torch.mul(orthogonalised(matrix), scale).view_as(direction)

    def _adam(self, weight: torch.Tensor, first: float = 0.9, second: float = 0.99) -> torch.Tensor:
        state = self.state[weight]
        if "step" not in state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        step = float(state["step"])
        gradient = weight.grad
        assert gradient is not None
        mean: torch.Tensor = state["mean"].lerp_(gradient, 1 - first)
        square: torch.Tensor = state["square"].lerp_(gradient.square(), 1 - second)
        return torch.div(mean / (1 - first**step), (square / (1 - second**step)).sqrt() + 1e-8)


def orthogonalised(matrix: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """The nearest semi-orthogonal matrix, roughly, of each ``(..., rows, columns)``: singular values in 0.7 to 1.2.

    Newton-Schulz iteration with the quintic coefficients of Jordan et al. 2024. Every factor is a polynomial in the
    small Gram matrix, so they are multiplied there, and the long matrix is touched twice: a third of the time for
    LeNet's hidden layer.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix
    norm: torch.Tensor = torch.linalg.matrix_norm(x, keepdim=True)
    x = x / (norm + 1e-7)
    gram = x @ x.mT
    product: torch.Tensor | None = None
    for iteration in range(iterations):
        factor = b * gram + c * (gram @ gram)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor if product is None else factor @ product
        if iteration + 1 < iterations:
            gram = factor @ gram @ factor
    assert product is not None
    x = product @ x
    return x.mT if tall else x
