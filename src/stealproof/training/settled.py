"""A look aside at a network in training, which leaves no trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def settled(model: torch.nn.Module, *, bfloat16: bool = False) -> Iterator[None]:
    """Evaluation mode: no dropout, batch normalisations learn nothing from it, and no row sways another's answer.

    With ``bfloat16``, layers compute in it. One context for all the steps of a search: weights are converted once.
    """
    modes = {module: module.training for module in model.modules()}
    device = next((weight.device.type for weight in model.parameters()), "cpu")
    model.eval()
    try:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bfloat16):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
