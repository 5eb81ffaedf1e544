"""Bits of an intermediate layer: what DAWN hashes in place of pixels, so that a perturbed query is treated alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import InputError
from stealproof.oracle import as_array
from stealproof.ownership._features import features
from stealproof.roles.dataset import Part


class LatentBits:
    """Whether each of a few latent units exceeds its median over the owner's data."""

    def __init__(self, model: torch.nn.Module, part: Part, bits: int) -> None:
        """Take the ``bits`` units whose medians cut the owner's data most evenly."""
        self._model = model.eval()
        with torch.inference_mode():
            latent = features(model, part.x)
        if not 1 <= bits <= latent.shape[1]:
            raise InputError(f"bits must lie between 1 and the {latent.shape[1]} units of the layer, got {bits}")
        medians = latent.median(dim=0).values
        balance = ((latent > medians).double().mean(dim=0) - 0.5).abs()
        # Of a unit that is silent for most inputs the median is the silence itself, and noise alone would decide.
        self._units = balance.argsort(stable=True)[:bits]
        self._medians = medians[self._units]

    def __call__(self, queries: NDArray[Any]) -> list[bytes]:
        """The bits of each query ``(n, *shape)``, packed."""
        with torch.inference_mode():
            latent = features(self._model, torch.as_tensor(as_array(queries)))[:, self._units]
        return [row.tobytes() for row in np.packbits((latent > self._medians).cpu().numpy(), axis=1)]
