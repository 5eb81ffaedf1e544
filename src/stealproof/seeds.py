"""Named random generators, all derived from one seed.

Nothing in stealproof touches a global generator. Whoever needs randomness asks for a generator by name; the same
seed and names give the same stream, and a new name never shifts the streams of the others.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on ``seed`` and every name: the start of SHA-256 over their joined text."""
    text = "/".join([str(int(seed)), *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng(seed: int, *names: str | int) -> np.random.Generator:
    """The NumPy generator of these names."""
    return np.random.default_rng(derive(seed, *names))


def generator(seed: int, *names: str | int, device: str = "cpu") -> torch.Generator:
    """The PyTorch generator of these names on ``device``."""
    import torch

    return torch.Generator(device=device).manual_seed(derive(seed, *names))
