"""Input smoothing: blur every image before the stolen network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from stealproof.attacks.removal._preprocess import SmoothedInput, check_images, in_front
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class InputSmoothing(Removal):
    """A Gaussian, mean or median filter; borders repeat their pixels. For images only."""

    source = Source(
        authors="Lukas, Jiang, Li, Kerschbaum",
        title="SoK: How Robust is Image Classification Deep Neural Network Watermarking?",
        venue="IEEE S&P",
        year=2022,
        url="https://arxiv.org/abs/2108.04974",
    )
    kind: Literal["mean", "median", "gaussian"] = "gaussian"
    """What a pixel becomes: its neighbours' mean, their median, or their mean weighted by a Gaussian."""
    size: int = 3
    """Side of the square of neighbours of mean and median, in pixels; odd, 1 to 31."""
    deviation: float = 0.6
    """Standard deviation of the Gaussian, in pixels; 0.05 to 10."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        check_images(washing.domain, self.name())
        low, high = washing.domain.low, washing.domain.high
        front = SmoothedInput(kind=self.kind, size=self.size, deviation=self.deviation, low=low, high=high)
        return in_front(front, washing.model)
