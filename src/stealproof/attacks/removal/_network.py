"""What removals look at in a network: its weight matrices, its last layer, what that layer reads, its answers."""

from __future__ import annotations

import torch

from stealproof.errors import InputError

ROWS = 512
"""Inputs of one forward pass; bounds its memory."""


def between(name: str, value: float, low: float, high: float) -> None:
    """Raise ``InputError`` unless ``low <= value <= high``; NaN is neither."""
    if not low <= value <= high:
        raise InputError(f"{name} must lie between {low:g} and {high:g}, got {value:g}")


def weight_matrices(model: torch.nn.Module) -> list[torch.Tensor]:
    """Weights of every linear and convolutional layer, in order; biases and normalisations are none.

    Raises:
        InputError: there is no such layer, as in a decision tree.
    """
    kinds = torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d
    found: list[torch.Tensor] = [module.weight for module in model.modules() if isinstance(module, kinds)]
    if not found:
        raise InputError("the network has no linear or convolutional layer, so there are no weights to change")
    return found


def last_layer(model: torch.nn.Module) -> torch.nn.Linear:
    """The last linear layer in the order of definition; see ``features``, which checks that it ends the network."""
    found = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    if not found:
        raise InputError("the network has no linear layer, so it has no last one")
    return found[-1]


def features(model: torch.nn.Module, head: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
    """What the last layer ``head`` reads, ``(n, head.in_features)``, in evaluation mode.

    Raises:
        InputError: what ``head`` makes of it is not the network's answer.
    """
    seen: list[torch.Tensor] = []

    def note(module: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        seen.append(arguments[0].detach())

    hook = head.register_forward_pre_hook(note)
    try:
        answers = logits(model, x)
    finally:
        hook.remove()
    read = torch.cat(seen)
    with torch.no_grad():
        ends = read.shape == (len(x), head.in_features) and torch.allclose(head(read), answers, rtol=1e-3, atol=1e-4)
    if not ends:
        raise InputError("the network does not end in its last linear layer, so that layer can't be treated alone")
    return read


def logits(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The network's answers ``(n, classes)`` in evaluation mode, without gradients, in its own precision."""
    dtype = precision(model)
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part.to(dtype)) for part in x.split(ROWS)])


def precision(model: torch.nn.Module) -> torch.dtype:
    """The floating-point type of the network's weights (or buffers, for a tree), else float32."""
    numbers = (*model.parameters(), *model.buffers())
    return next((tensor.dtype for tensor in numbers if tensor.is_floating_point()), torch.float32)
