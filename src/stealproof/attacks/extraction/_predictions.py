"""What a surrogate says about many inputs, in batches and without a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

BATCH = 1024
"""Rows of one pass; bounds the memory."""


def logits_of(model: torch.nn.Module, x: NDArray[Any]) -> NDArray[np.float64]:
    """Logits ``(n, classes)`` of ``model`` for ``x`` ``(n, *shape)``."""
    weights = next(model.parameters())
    found = []
    with torch.inference_mode():
        for start in range(0, len(x), BATCH):
            batch = torch.as_tensor(x[start : start + BATCH]).to(device=weights.device, dtype=weights.dtype)
            found.append(model(batch).double().cpu().numpy())
    return np.concatenate(found)


def log_probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of the softmax of each row ``(n, classes)``."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def probabilities_of(model: torch.nn.Module, x: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities ``(n, classes)`` of ``model`` for ``x`` ``(n, *shape)``."""
    return np.exp(log_probabilities(logits_of(model, x)))
