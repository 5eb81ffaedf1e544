"""Population: many independent models, as a judge keeps them for controls and a study for false accusations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stealproof import seeds
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.studies.sources import key_of
from stealproof.training.augmented import augmented
from stealproof.training.fit_many import fit_many
from stealproof.training.suited import suited_recipe
from stealproof.training.trained import Trained

if TYPE_CHECKING:
    from stealproof.studies.workshop import Workshop

TOGETHER = 10
"""Models that are trained in one call."""
ROOTS = ("stealproof.training.fit_many", "stealproof.studies.population")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What the models of a population have in common."""

    name: str
    """Two populations of other names share no draw of rows and no weights."""
    families: tuple[NetworkFamily, ...]
    """In turn: with two, every second model is of the second family."""
    share: float
    """Of the pool, drawn anew for each model, that it is trained on; 0 to 1. A control model that is worse than a
    suspect could be makes every good suspect look like a copy."""
    augment: bool = False
    """Whether it learns from its images moved aside as well."""


def population(stock: Stock, count: int, *, data: Dataset, pool: Part, workshop: Workshop) -> list[Trained]:
    """``count`` models, each on its own draw from ``pool``; those of a smaller count come first, and are the same.

    They do not depend on any claim's seed: one stock of control models serves every claim.
    """
    found: dict[int, Trained] = {}
    for place, family in enumerate(stock.families):
        numbers = range(place, count, len(stock.families))
        keys = {number: _key(stock, family, data, number) for number in numbers}
        # One process trains a family's models, all of them together, while the others wait for them.
        with workshop.store.lock("victims", _key(stock, family, data, -1)):
            known: dict[int, Trained | None] = {number: workshop.stored(key) for number, key in keys.items()}
            absent = [number for number, model in known.items() if model is None]
            # A few at a time: each has rows of its own in memory, and what is trained is kept when somebody interrupts.
            for some in (absent[start : start + TOGETHER] for start in range(0, len(absent), TOGETHER)):
                for number, model in zip(some, _fitted(stock, family, data, pool, some), strict=True):
                    card = {"independent": stock.name, "number": number}
                    known[number] = made = Trained(model=model, domain=data.domain, classes=data.classes, card=card)
                    workshop.keep(keys[number], made)
        found |= {number: model for number, model in known.items() if model is not None}
    return [found[number] for number in range(count)]


def _fitted(
    stock: Stock, family: NetworkFamily, data: Dataset, pool: Part, numbers: Sequence[int]
) -> list[torch.nn.Module]:
    rows = max(1, round(stock.share * len(pool)))
    return fit_many(
        family,
        [
            _lessons(stock, data, pool.take(torch.as_tensor(drawn)))
            for drawn in (seeds.rng(0, stock.name, number, "rows").permutation(len(pool))[:rows] for number in numbers)
        ],
        classes=data.classes,
        seeds=[seeds.derive(0, stock.name, number) for number in numbers],
        recipe=suited_recipe(family, rows),
    )


def _lessons(stock: Stock, data: Dataset, part: Part) -> Part:
    return augmented(part, data.domain.low) if stock.augment else part


def _key(stock: Stock, family: NetworkFamily, data: Dataset, number: int) -> str:
    described = {
        "stock": stock.name,
        "family": family.describe(),
        "share": stock.share,
        "augment": stock.augment,
        "data": dict(data.description),
        "number": number,
    }
    return key_of("population", described, roots=ROOTS)
