"""Feature squeezing: round every input to a few values before the stolen network sees it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.removal._preprocess import SqueezedInput, in_front
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class FeatureSqueezing(Removal):
    """The paper's reduction of colour depth (section III-A)."""

    source = Source(
        authors="Xu, Evans, Qi",
        title="Feature Squeezing: Detecting Adversarial Examples in Deep Neural Networks",
        venue="NDSS",
        year=2018,
        url="https://arxiv.org/abs/1704.01155",
    )
    departure = "every input is squeezed, where the paper compares the answers with and without to detect an attack"
    bits: int = 5
    """Bits of a value; the paper takes 5 for CIFAR-10 and ImageNet, 1 for MNIST; 1 to 16."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        return in_front(SqueezedInput(bits=self.bits, low=washing.domain.low, high=washing.domain.high), washing.model)
