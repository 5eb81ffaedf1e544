"""JPEG compression: encode and decode every image before the stolen network sees it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.removal._preprocess import CompressedInput, check_images, in_front
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class JpegCompression(Removal):
    """High frequencies, in which triggers and adversarial marks like to hide, are rounded away. For images only."""

    source = Source(
        authors="Dziugaite, Ghahramani, Roy",
        title="A study of the effect of JPG compression on adversarial images",
        venue="arXiv",
        year=2016,
        url="https://arxiv.org/abs/1608.00853",
    )
    departure = "the default quality is that of Lukas et al. (IEEE S&P 2022), and colour is not subsampled"
    quality: int = 65
    """As in JPEG encoders; lower means smaller files and coarser images; 1 to 100."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        check_images(washing.domain, self.name())
        front = CompressedInput(quality=self.quality, low=washing.domain.low, high=washing.domain.high)
        return in_front(front, washing.model)
