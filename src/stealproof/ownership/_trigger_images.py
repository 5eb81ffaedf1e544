"""Trigger inputs that look like nothing in the training data: abstract patterns, noise, or a user's own images."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stealproof.data._images import scaled
from stealproof.errors import InputError
from stealproof.oracle import Domain

WAVES = 8
"""Plane waves in one channel of an abstract image."""
FINEST = 2.5
"""Most periods of a wave along one side of the image."""


def abstract_images(count: int, domain: Domain, generator: torch.Generator) -> torch.Tensor:
    """``count`` smooth random patterns ``(count, channels, height, width)``, each over the whole legal range."""
    channels, height, width = domain.shape
    draws = torch.rand(5, count, channels, WAVES, 1, 1, generator=generator, dtype=torch.float64)
    amplitude, down, across, phase, sign = draws
    row = torch.linspace(0, 1, height, dtype=torch.float64).view(-1, 1)
    column = torch.linspace(0, 1, width, dtype=torch.float64).view(1, -1)
    turns = FINEST * (down * row + torch.where(sign < 0.5, -1, 1) * across * column) + phase
    waves = (amplitude * torch.cos(2 * torch.pi * turns)).sum(dim=2)
    least, largest = waves.amin(dim=(1, 2, 3), keepdim=True), waves.amax(dim=(1, 2, 3), keepdim=True)
    full: torch.Tensor = (waves - least) / (largest - least)
    return domain.low + (domain.high - domain.low) * full


def noise(count: int, domain: Domain, generator: torch.Generator) -> torch.Tensor:
    """``count`` inputs drawn uniformly from the legal ones, ``(count, *shape)``."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.from_numpy(domain.uniform(count, np.random.default_rng(seed)))


def folder_images(folder: Path, count: int, domain: Domain) -> torch.Tensor:
    """The first ``count`` images of ``folder``, in the order of the numbers in their names, in the model's format."""
    channels, height, width = domain.shape if len(domain.shape) == 3 else (0, 0, 0)
    if channels not in (1, 3) or height != width:
        raise InputError(f"images can be triggers of models for square grey or colour images, not for {domain.shape}")
    files = sorted(folder.glob("*.png"), key=lambda path: [int(part) for part in re.findall(r"\d+", path.stem)])
    if len(files) < count:
        raise InputError(f"expected at least {count} PNG images in {folder}, got {len(files)}; ask for fewer triggers")
    images = []
    for path in files[:count]:
        with Image.open(path, formats=("PNG",)) as image:
            pixels = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        images.append(scaled(pixels[None], size=height, grey=channels == 1))
    return domain.low + (domain.high - domain.low) * torch.cat(images)
