"""Drawing the weights of a network from a named generator, not from the global one."""

from __future__ import annotations

import math

import torch


def draw_weights(model: torch.nn.Module, generator: torch.Generator) -> torch.nn.Module:
    """Redraw every layer's weights from ``generator``, with PyTorch's default distributions, and return ``model``."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            torch.nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
            if module.bias is not None:
                bound = 1 / math.sqrt(module.weight[0].numel())
                torch.nn.init.uniform_(module.bias, -bound, bound, generator=generator)
    return model
