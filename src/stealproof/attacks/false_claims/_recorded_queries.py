"""Queries to the accuser's own API: marked answers that other models give of their own accord are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.ownership._asked_inputs import Box, answers, finished, width
from stealproof.ownership.dawn import Dawn
from stealproof.roles.false_claim import Framing

LOOKED_AT = 5000
"""Most training rows among which an accuser looks for good ones."""
JITTER = 1 / 255
"""Largest change of a value, as a share of the domain's width, that makes a new query of a known row."""


def known(framing: Framing) -> Sequence[torch.nn.Module]:
    """The models whose answers the accuser can look at: the framed one where it is published, else the references."""
    return framing.innocents if framing.target is None else [framing.target]


def opinion(framing: Framing, x: NDArray[Any] | torch.Tensor) -> NDArray[np.float64]:
    """The mean probabilities ``(n, classes)`` of the known models."""
    shown = [answers(model, x, framing.domain, framing.classes).scores for model in known(framing)]
    return np.asarray(np.mean(np.stack([one for one in shown if one is not None]), axis=0), dtype=np.float64)


def surest_rows(framing: Framing, count: int) -> torch.Tensor:
    """The training rows of whose answer the known models are surest.

    DAWN never records the right answer, so that its rows are those where the accuser's own model is alone with its.
    """
    train = framing.data.train
    rows = framing.rng("rows").permutation(len(train))[:LOOKED_AT]
    x = train.x[torch.as_tensor(rows)]
    shown = opinion(framing, x)
    surest = shown.max(axis=1)
    if isinstance(framing.scheme, Dawn):
        own = answers(framing.model, x, framing.domain, framing.classes).predicted
        surest = surest - (own == shown.argmax(axis=1))
    return x[torch.as_tensor(np.argsort(-surest, kind="stable")[:count].copy())]


def jittered(framing: Framing, rows: torch.Tensor, count: int, *names: str | int) -> NDArray[np.float32]:
    """``count`` new queries near ``rows``, each row in turn: a key treats every one of them as another input."""
    start = rows[torch.arange(count) % len(rows)]
    noise = torch.rand(start.shape, generator=framing.generator("jitter", *names), dtype=start.dtype) * 2 - 1
    reach = JITTER * width(framing.domain)
    return finished(Box(start, framing.domain, reach).nearest(start + reach * noise), framing.domain)


def fresh_guard(framing: Framing, *names: str | int) -> Any:
    """A new instance of the scheme, under a key of the accuser's."""
    scheme: Any = framing.scheme
    guard = scheme.make(scheme.parameters())
    if isinstance(guard, Dawn) and guard.mapping == "latent":
        guard.look_through(framing.model, framing.data.train)
    guard.use_key(framing.rng("key", *names).bytes(32).hex())
    return guard
