"""What a network's classifier sees: the inputs of its last linear layer."""

from __future__ import annotations

import torch

from stealproof.errors import InvalidData


def classifier(model: torch.nn.Module) -> torch.nn.Linear:
    """The last linear layer of ``model``; ``InvalidData`` when it has none."""
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    if not layers:
        raise InvalidData(f"expected a network that ends in a linear layer, found none in {type(model).__name__}")
    return layers[-1]


def features(model: torch.nn.Module, x: torch.Tensor, *, batch: int = 1024) -> torch.Tensor:
    """The features ``(n, d)`` of inputs ``(n, *shape)``, float32 or wider; differentiable where autograd is on.

    ``x`` is brought to the precision of the network, which should be in evaluation mode.
    """
    layer = classifier(model)
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].flatten(1)))
    try:
        for part in x.to(layer.weight).split(batch):
            model(part)
    finally:
        hook.remove()
    return torch.cat(seen)
