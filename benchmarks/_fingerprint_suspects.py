"""Victims' suspects for the comparison of fingerprints: stolen and innocent models, each trained once and kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from stealproof.attacks.extraction.jacobian_augmentation import JacobianAugmentation
from stealproof.attacks.extraction.knockoff_nets import KnockoffNets
from stealproof.oracle import Access, Answer
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.studies.store import Store
from stealproof.studies.workshop import Workshop
from stealproof.training.fit import fit
from stealproof.training.suited import suited_recipe
from stealproof.training.trained import Trained

LABELS, PROBABILITIES = Access(answer=Answer.LABELS), Access()
Suspects = dict[str, list[torch.nn.Module]]


def some_of(data: Dataset, rows: int, *, flat: bool) -> Dataset:
    """The first ``rows`` of the owner's and the thief's parts, and the test part; images or flat rows."""
    parts = {"train": data.train.take(slice(rows)), "pool": data.pool.take(slice(rows)), "test": data.test}
    if not flat:
        return dataclasses.replace(data, parts=parts)
    shape = (int(np.prod(data.domain.shape)),)
    return dataclasses.replace(
        data,
        domain=dataclasses.replace(data.domain, shape=shape),
        parts={name: Part(x=part.x.flatten(1), y=part.y) for name, part in parts.items()},
    )


class Shelf:
    """The models of a run, each trained once."""

    def __init__(self, store: Store, run: str, data: Dataset) -> None:
        """``run`` names everything that models follow from but their own names."""
        self.store, self.run, self.data = store, run, data
        self.workshop = Workshop(store)

    def model(self, name: str, make: Callable[[], object]) -> torch.nn.Module:
        """The network of this name."""
        key = f"{self.run}-{name}"
        found = self.workshop.stored(key)
        if found is None:
            found = Trained(model=make(), domain=self.data.domain, classes=self.data.classes, card={})
            self.workshop.keep(key, found)
        assert isinstance(found.model, torch.nn.Module)
        return found.model


def thefts(
    victim: Trained, data: Dataset, family: NetworkFamily, other: NetworkFamily, seed: int, shelf: Shelf
) -> Suspects:
    """Eight stolen models, by kind."""
    pool, rows, first = data.pool, len(data.pool), 1000 * (seed + 1)

    def knockoff(access: Access, number: int, architecture: NetworkFamily, budget: int = rows) -> torch.nn.Module:
        thief = KnockoffNets()
        return shelf.model(
            f"stolen-{first + number}",
            lambda: (
                thief.steal(
                    victim.oracle(access), pool.x, budget=budget, seed=first + number, architecture=architecture
                ).model
            ),
        )

    augmentation = JacobianAugmentation(soft=True)
    gentle = dataclasses.replace(suited_recipe(family, rows), epochs=3, learning_rate=0.01)
    return {
        "knockoff, probabilities": [knockoff(PROBABILITIES, number, family) for number in (1, 2)],
        "knockoff, labels": [knockoff(LABELS, number, family) for number in (3, 4)],
        "knockoff, other network": [knockoff(PROBABILITIES, 5, other)],
        "knockoff, a fifth of the budget": [knockoff(PROBABILITIES, 6, family, rows // 5)],
        "jacobian augmentation": [
            shelf.model(
                f"stolen-{first + 7}",
                lambda: (
                    augmentation.steal(
                        victim.oracle(), pool.x, budget=rows // 2, seed=first + 7, architecture=family
                    ).model
                ),
            )
        ],
        "fine-tuned copy": [
            shelf.model(
                f"stolen-{first + 8}",
                lambda: fit(family, pool, classes=data.classes, recipe=gentle, seed=first + 8, start=victim.model),
            )
        ],
    }


def rivals(data: Dataset, family: NetworkFamily, other: NetworkFamily, seed: int, shelf: Shelf) -> Suspects:
    """Eight models that never met the victim, by kind."""
    first = 1000 * (seed + 1)

    def made(architecture: NetworkFamily, part: Part, *numbers: int) -> list[torch.nn.Module]:
        return [
            shelf.model(
                f"innocent-{first + number}",
                lambda seed=first + number: fit(architecture, part, classes=data.classes, seed=seed),  # type: ignore[misc]
            )
            for number in numbers
        ]

    return {
        "owner's rows": made(family, data.train, 11, 12, 13),
        "thief's rows": made(family, data.pool, 14, 15, 16),
        "owner's rows, other network": made(other, data.train, 17),
        "thief's rows, other network": made(other, data.pool, 18),
    }
