"""Who has which rows in the study of dataset inference, the models that they train, and walks to their boundaries."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.attacks.removal.adversarial_training import AdversarialTraining
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership._boundary_walks import NORMS, blind_walk
from stealproof.ownership._gradient_walks import gradient_walk
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe

FIT = 500
"""Images a side that the owner's regressor learns from."""
IMAGES = 1000
"""Other images a side to verify with."""
GRADIENT_IMAGES = 300
"""The first of these, for MinGD, which costs several times as much."""
STOLEN_ROWS = 15_000
"""Images of the pool that the thief has the victim label."""
SMALL = LeNet(width=8, hidden=64)
"""The other architecture, trained by Muon for half the epochs."""


ADVERSARIAL = {"tuned adversarially, 8/255": 8 / 255, "tuned adversarially, 0.1": 0.1}
"""Copies of the victim that a thief tuned on the owner's rows, by the largest change of a pixel."""
INNOCENT = ("other half", "other half, other architecture", "other data")
"""Models of people who know neither the owner's data nor its model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How the owner, and everybody else in the same place, trains, and whom the owner suspects."""

    rows: int
    recipe: Recipe
    suspects: tuple[str, ...]


SETTINGS = {
    "overfitted": Setting(
        rows=2000,
        recipe=Recipe(epochs=60, batch=64, learning_rate=0.1, weight_decay=0.0),
        suspects=("victim", "own data, other seed", "surrogate", *ADVERSARIAL, *INNOCENT),
    ),
    "stopped early": Setting(
        rows=2000,
        recipe=Recipe(epochs=6, batch=64, learning_rate=0.1, weight_decay=5e-4),
        suspects=("victim", "other half"),
    ),
    "ordinary": Setting(
        rows=15_000,
        recipe=Recipe(epochs=4, batch=128, learning_rate=0.1, weight_decay=5e-4),
        suspects=("victim", "own data, other seed", "other half", "other data"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one pile, dealt by lot."""

    own: Part
    """What the owner trains on; its first rows are the members."""
    half: Part
    """As many others."""
    strangers: Part
    """Non-members: nobody trains on them."""

    @classmethod
    def deal(cls, pile: Part, setting: Setting, seed: int) -> Rows:
        """Deal the pile anew for every seed."""
        order = seeds.rng(seed, "deal").permutation(len(pile))
        n = setting.rows
        return cls(
            own=pile.take(order[:n]),
            half=pile.take(order[n : 2 * n]),
            strangers=pile.take(order[2 * n : 2 * n + FIT + IMAGES]),
        )


def victim_of(data: Dataset, rows: Rows, setting: Setting, seed: int) -> torch.nn.Module:
    """The owner's network."""
    return fit(Mlp(), rows.own, classes=data.classes, domain=data.domain, recipe=setting.recipe, seed=100 * seed)


def suspect(
    name: str, victim: torch.nn.Module, data: Dataset, other: Dataset, rows: Rows, setting: Setting, seed: int
) -> torch.nn.Module:
    """The network of that name."""

    def trained(number: int, part: Part, recipe: Recipe = setting.recipe) -> torch.nn.Module:
        return fit(Mlp(), part, classes=data.classes, domain=data.domain, recipe=recipe, seed=100 * seed + number)

    if name == "victim":
        return victim
    if name == "other half":
        return trained(1, rows.half)
    if name == "surrogate":
        stolen = data.pool.take(slice(0, STOLEN_ROWS))
        labels = ModuleOracle(victim, domain=data.domain, classes=data.classes).ask(stolen.x.numpy()).predicted
        return trained(2, Part(x=stolen.x, y=torch.as_tensor(labels)), SETTINGS["ordinary"].recipe)
    if name == "own data, other seed":
        return trained(3, rows.own)
    if name == "other half, other architecture":
        recipe = replace(setting.recipe, epochs=setting.recipe.epochs / 2, optimizer="muon", learning_rate=0.05)
        return fit(SMALL, rows.half, classes=data.classes, domain=data.domain, recipe=recipe, seed=100 * seed + 4)
    if name == "other data":
        return trained(5, other.train.take(slice(0, setting.rows)))
    removal = AdversarialTraining(radius=ADVERSARIAL[name])
    return removal.erase(victim, rows.own, domain=data.domain, classes=data.classes, seed=seed)


def black_box(model: torch.nn.Module, data: Dataset, part: Part, rng: np.random.Generator) -> NDArray[np.float64]:
    """Blind Walk ``(n, norms, starts)``: three directions a norm, 25 steps of twice the paper's length."""
    oracle = ModuleOracle(model, domain=data.domain, classes=data.classes, access=Access(answer=Answer.LABELS))
    found = blind_walk(
        lambda x: oracle.ask(x).predicted,
        part.x.numpy(),
        part.y.numpy(),
        domain=data.domain,
        norms=NORMS,
        starts=3,
        steps=25,
        stride=2.0,
        rng=rng,
        report=lambda share: None,
    )
    return found.reshape(len(part), len(NORMS), -1)


def white_box(model: torch.nn.Module, data: Dataset, part: Part) -> NDArray[np.float64]:
    """MinGD ``(n, norms, classes)``: 50 steps of ten times the paper's length, which reach as far as its 500."""
    found = gradient_walk(
        model,
        part.x.numpy(),
        part.y.numpy(),
        domain=data.domain,
        norms=NORMS,
        targets=10,
        steps=50,
        stride=10.0,
        pixels=100,
        precision="auto",
        report=lambda share: None,
    )
    return found.reshape(len(part), len(NORMS), -1)


def accuracy(model: torch.nn.Module, part: Part) -> float:
    """Share of ``part``'s labels that the network predicts."""
    with torch.inference_mode():
        return float((model(part.x).argmax(dim=1) == part.y).double().mean())
