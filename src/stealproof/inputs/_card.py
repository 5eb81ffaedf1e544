"""The JSON card beside a model's weights: what they are, how they came to be, and their SHA-256."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

from stealproof import __version__
from stealproof.errors import InvalidData
from stealproof.oracle import Domain

FORMAT = "stealproof model 1"
LARGEST_CARD = 16 * 2**20
"""Bytes; a card is small, so a larger file is something else."""


def card_path(weights: Path) -> Path:
    """Where the card of these weights lies: beside them, ending in ``.json``."""
    return weights.with_suffix(".json")


def versions() -> dict[str, str]:
    """What this process runs."""
    return {
        "stealproof": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "scikit-learn": str(sklearn.__version__),
        "numpy": str(np.__version__),
    }


def encode_domain(domain: Domain) -> dict[str, Any]:
    """A domain in JSON types; an unbounded side is null."""
    return {
        "shape": list(domain.shape),
        "low": domain.low if math.isfinite(domain.low) else None,
        "high": domain.high if math.isfinite(domain.high) else None,
        "levels": {str(column): list(values) for column, values in domain.levels.items()},
    }


def decode_domain(stored: Mapping[str, Any]) -> Domain:
    """The inverse of ``encode_domain``; raises what a wrong type raises."""
    shape = tuple(int(side) for side in stored["shape"])
    if not shape or min(shape) < 1:
        raise ValueError(f"the shape {shape}")
    return Domain(
        shape=shape,
        low=-math.inf if stored["low"] is None else float(stored["low"]),
        high=math.inf if stored["high"] is None else float(stored["high"]),
        levels={int(column): tuple(map(float, values)) for column, values in stored["levels"].items()},
    )


def encode_card(card: Mapping[str, Any]) -> bytes:
    """The card's bytes: sorted keys, so that equal cards are equal files."""
    return (json.dumps(card, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def read_card(path: Path) -> dict[str, Any]:
    """The card at ``path``.

    Raises:
        InvalidData: there is none, or it is not a card that this version reads.
    """
    if not path.is_file():
        raise InvalidData(f"there is no card {path} beside the weights; expected the .json that was saved with them")
    try:
        if path.stat().st_size > LARGEST_CARD:
            raise ValueError(f"{path.stat().st_size} bytes")
        card = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidData(f"{path} is no readable JSON card ({error})") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else type(card).__name__
        raise InvalidData(f"{path} is no model card of this version: expected format {FORMAT!r}, got {found!r}")
    return card
