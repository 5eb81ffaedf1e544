"""A decision tree as its leaves: boxes of the input space, each with a distribution over classes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

FLOOR = 1e-300
"""Least probability of a class, so that its logarithm is finite."""
CELLS = 4_000_000
"""Most numbers of one intermediate array; bounds the memory of a forward pass."""


class LeafBoxes(torch.nn.Module):
    """Answers with the distribution of the box that contains an input, or of the nearest box (L1) between boxes."""

    low: torch.Tensor
    high: torch.Tensor
    logits: torch.Tensor

    def __init__(self, low: NDArray[np.float64], high: NDArray[np.float64], distributions: NDArray[np.float64]) -> None:
        """``low`` and ``high`` are corners ``(leaves, d)``; ``distributions`` ``(leaves, classes)``; all float64."""
        super().__init__()
        self.register_buffer("low", torch.as_tensor(low, dtype=torch.float64))
        self.register_buffer("high", torch.as_tensor(high, dtype=torch.float64))
        logs = np.log(np.maximum(distributions, FLOOR))
        self.register_buffer("logits", torch.as_tensor(logs, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Log-probabilities ``(n, classes)`` of inputs ``(n, *shape)``."""
        flat = x.reshape(len(x), -1).to(self.low.dtype)
        rows = max(1, CELLS // max(1, self.low.numel()))
        return torch.cat([self.logits[self._nearest(flat[start : start + rows])] for start in range(0, len(x), rows)])

    def _nearest(self, x: torch.Tensor) -> torch.Tensor:
        below = (self.low - x[:, None]).clamp_(min=0)
        above = (x[:, None] - self.high).clamp_(min=0)
        return below.add_(above).sum(dim=2).argmin(dim=1)
