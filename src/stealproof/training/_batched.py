"""Training many networks of one architecture as one network whose tensors have a leading axis of models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.func import functional_call, vmap
from torch.nn import functional

from stealproof.errors import InputError
from stealproof.roles.dataset import Part
from stealproof.training._batches import Batches
from stealproof.training._optimizers import make_optimizer, set_rate
from stealproof.training._placement import Placement
from stealproof.training.fit import diverged
from stealproof.training.recipe import Recipe

Gradients = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From inputs ``(K, b, *shape)`` and targets ``(K, b)`` or ``(K, b, classes)``: writes ``.grad`` of every stacked
weight, and returns something that is finite as long as training is."""


def train_batched(
    models: Sequence[torch.nn.Module],
    data: Sequence[Part],
    *,
    recipe: Recipe,
    placement: Placement,
    seeds: Sequence[int],
    report: Callable[[float], None],
) -> None:
    """Train ``models`` in place, the k-th on ``data[k]`` in the order of ``seeds[k]``; all data have equally many rows.

    Every model gets what ``fit`` gives it, up to rounding: the same batches, the mean loss of its own batch, and an
    optimizer that updates it independently of the others.
    """
    models = [placement.model(model) for model in models]
    stacks = {
        name: torch.stack([model.state_dict()[name] for model in models]) for name, _ in models[0].named_parameters()
    }
    weights = {name: torch.nn.Parameter(stack) for name, stack in stacks.items()}
    optimizer = make_optimizer(weights.values(), recipe, stacked=True)
    if is_perceptron(models[0]) and not placement.bfloat16:
        gradients = _perceptron_gradients(list(weights.values()), recipe)
    else:
        gradients = _vmap_gradients(models[0], weights, recipe, placement)
    rows = _Rows.of(data, placement)
    batches = [Batches(len(part), recipe, seed) for part, seed in zip(data, seeds, strict=True)]
    for step, chosen in enumerate(_orders(batches)):
        x, y = rows.take(chosen)
        set_rate(optimizer, recipe, step, batches[0].steps)
        if not bool(gradients(x, y).isfinite().all()):
            raise diverged(step, batches[0].steps, recipe)
        optimizer.step()
        report((step + 1) / batches[0].steps)
    for number, model in enumerate(models):
        model.load_state_dict({name: weight[number].detach() for name, weight in weights.items()}, strict=False)


def is_perceptron(model: torch.nn.Module) -> bool:
    """Whether ``model`` flattens, then alternates linear layers with biases and ReLU, ending in a linear layer."""
    if not isinstance(model, torch.nn.Sequential):
        return False
    layers = [layer for layer in model if not isinstance(layer, torch.nn.Flatten)]
    expected = [torch.nn.Linear if place % 2 == 0 else torch.nn.ReLU for place in range(len(layers))]
    flat = isinstance(model[0], torch.nn.Flatten) and len(layers) == len(model) - 1
    alternates = len(layers) % 2 == 1 and [type(layer) for layer in layers] == expected
    return flat and alternates and all(weight.requires_grad for weight in model.parameters()) and _all_biased(layers)


def check_batchable(model: torch.nn.Module) -> None:
    """Raise ``InputError`` when ``model`` has layers whose state or randomness is not one of each model alone."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm | torch.nn.modules.dropout._DropoutNd):
            raise InputError(
                f"networks with {type(module).__name__} can't be trained as one batch of models;"
                " choose path serial or processes"
            )


def _all_biased(layers: Sequence[torch.nn.Module]) -> bool:
    return all(layer.bias is not None for layer in layers if isinstance(layer, torch.nn.Linear))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The training rows of all models, one after the other, or once when they are shared."""

    x: torch.Tensor
    y: torch.Tensor
    offsets: torch.Tensor
    """``(K, 1)``: where the rows of each model begin."""

    @classmethod
    def of(cls, data: Sequence[Part], placement: Placement) -> _Rows:
        """The rows of every model, placed for training."""
        shared = all(part is data[0] for part in data)
        parts = [placement.data(part) for part in (data[:1] if shared else data)]
        starts = torch.arange(len(data)) * (0 if shared else len(data[0]))
        return cls(
            x=torch.cat([part.x for part in parts]), y=torch.cat([part.y for part in parts]), offsets=starts[:, None]
        )

    def take(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of the rows ``(K, b)`` of each model."""
        chosen = (rows + self.offsets).flatten().to(self.x.device)
        return (
            self.x.index_select(0, chosen).unflatten(0, rows.shape),
            self.y.index_select(0, chosen).unflatten(0, rows.shape),
        )


def _orders(batches: Sequence[Batches]) -> Iterator[torch.Tensor]:
    """The rows ``(K, b)`` of each step in turn."""
    first = batches[0]
    for step in range(first.steps):
        epoch, place = divmod(step, first.per_epoch)
        if place == 0:
            parts = torch.stack([each.order(epoch) for each in batches]).tensor_split(first.cuts, dim=1)
        yield parts[place]


def _perceptron_gradients(weights: Sequence[torch.Tensor], recipe: Recipe) -> Gradients:
    """Forward and backward pass of stacked perceptrons, written out: for small ones, autograd would cost as much."""
    matrices, biases = weights[0::2], weights[1::2]

    def gradients(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            inputs = [x.flatten(2)]
            for matrix, bias in zip(matrices[:-1], biases[:-1], strict=True):
                inputs.append(torch.baddbmm(bias[:, None], inputs[-1], matrix.mT).relu_())
            logits = torch.baddbmm(biases[-1][:, None], inputs[-1], matrices[-1].mT)
            # The derivative of the mean cross-entropy by the logits.
            slope = _slope(logits, y, recipe.label_smoothing).div_(x.shape[1])
            for depth in range(len(matrices) - 1, -1, -1):
                matrices[depth].grad = slope.mT @ inputs[depth]
                biases[depth].grad = slope.sum(dim=1)
                if depth:
                    slope = (slope @ matrices[depth]).mul_(inputs[depth] > 0)
        return logits

    return gradients


def _slope(logits: torch.Tensor, y: torch.Tensor, smoothing: float) -> torch.Tensor:
    classes = logits.shape[-1]
    targets = functional.one_hot(y, classes).to(logits.dtype) if y.ndim == 2 else y
    if smoothing:
        targets = targets * (1 - smoothing) + smoothing / classes
    return logits.softmax(dim=-1).mul_(targets.sum(dim=-1, keepdim=True)).sub_(targets)


def _vmap_gradients(
    model: torch.nn.Module, weights: Mapping[str, torch.Tensor], recipe: Recipe, placement: Placement
) -> Gradients:
    """The same for any network without state or randomness of its own, by ``torch.func.vmap``."""

    def loss(parameters: Mapping[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with placement.computing():
            logits = functional_call(model, dict(parameters), (x,))
        return functional.cross_entropy(logits.to(placement.dtype), y, label_smoothing=recipe.label_smoothing)

    losses = vmap(loss)

    def gradients(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        for weight in weights.values():
            weight.grad = None
        values: torch.Tensor = losses(weights, x, y)
        values.sum().backward()
        return values.detach()

    return gradients
