"""Linear surrogates as PyTorch networks in float64."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def affine_network(weights: NDArray[np.float64], *, one_vs_rest: bool = False) -> torch.nn.Sequential:
    """A network of one linear layer on the flattened input.

    Args:
        weights: ``(d + 1, classes)``, the last row being the biases.
        one_vs_rest: whether the outputs are scores of sigmoids to be normalised, not logits of a softmax.
    """
    linear = torch.nn.utils.skip_init(torch.nn.Linear, len(weights) - 1, weights.shape[1], dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(torch.as_tensor(weights[:-1].T))
        linear.bias.copy_(torch.as_tensor(weights[-1]))
    layers: list[torch.nn.Module] = [torch.nn.Flatten(), linear]
    # The softmax of log-sigmoids is the vector of the sigmoids, normalised to sum to 1.
    return torch.nn.Sequential(*layers, torch.nn.LogSigmoid()) if one_vs_rest else torch.nn.Sequential(*layers)
