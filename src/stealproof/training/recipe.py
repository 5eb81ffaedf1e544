"""Recipe: how one network is trained. A record, so that it enters cache keys and result cards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from stealproof.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Hyper-parameters of one training run."""

    epochs: float = 10.0
    """Passes over the training data; a fraction ends in the middle of the last pass."""
    batch: int = 256
    optimizer: Literal["sgd", "adam", "muon"] = "sgd"
    learning_rate: float = 0.1
    """Peak of the schedule; under ``muon`` that of the weight matrices."""
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    label_smoothing: float = 0.0
    """Mass that is spread over all classes; 0 to 1."""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    """``auto``: bfloat16 autocast where it was measured to be faster for this network and device, else float32."""

    def __post_init__(self) -> None:
        """Refuse values that can't train anything."""
        for name in ("epochs", "batch", "learning_rate"):
            # NaN is neither positive nor anything else.
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be positive and finite, got {getattr(self, name)}")
