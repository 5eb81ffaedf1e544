"""Networks that somebody other than the owner trains on halves of the pool: shadows of an attacker, or controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from stealproof import seeds
from stealproof.errors import InvalidData
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.models.resnet import ResNet
from stealproof.models.strided_cnn import StridedCnn
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.fit import fit
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_network, suited_recipe
from stealproof.training.trained import Trained

FAMILIES: dict[str, type[NetworkFamily]] = {kind.name(): kind for kind in (LeNet, Mlp, ResNet, StridedCnn)}


def networks_of_halves(
    data: Dataset,
    count: int,
    *,
    seed: int,
    who: str,
    family: NetworkFamily | None = None,
    recipe: Recipe | None = None,
    protections: Sequence[Any] = (),
    progress: Callable[[str, float], None] | None = None,
) -> list[torch.nn.Module]:
    """``count`` networks, each trained on its own random half of ``data.pool``, which the owner never trained on.

    They depend on the arguments alone, so one set serves against any number of models of the same data.

    Args:
        data: with a labelled pool of at least 2 rows.
        count: how many, at least 1.
        seed: halves, weights and batches follow from it.
        who: enters the generators' names, so that two users never share a half.
        family: of the networks; None for what suits the shape.
        recipe: how they are trained; None for what suits the family, the rows and the protections.
        protections: training defenses to train them with, one network after the other; usually none.
        progress: called with what is being done and the finished share.

    Raises:
        InvalidData: no pool, fewer than 2 rows, or labels of other classes than the data's.
    """
    pool = data.pool
    if len(pool) < 2 or pool.y.ndim != 1 or not 0 <= int(pool.y.min()) <= int(pool.y.max()) < data.classes:
        raise InvalidData(
            f"{who} trains networks on halves of the pool, which takes at least 2 rows with labels in"
            f" 0..{data.classes - 1}, got {len(pool)} rows of {data.name}; use a pool of the same distribution"
        )
    family = family or suited_network(data.domain.shape, data.classes)
    parts = [_half(pool, seed, who, number) for number in range(count)]
    own = [seeds.derive(seed, who, "network", number) for number in range(count)]
    recipe = recipe or suited_recipe(family, len(parts[0]), protections)
    if not protections:
        return fit_many(family, parts, classes=data.classes, seeds=own, recipe=recipe, progress=progress)
    return [
        fit(
            family,
            part,
            classes=data.classes,
            domain=data.domain,
            protections=protections,
            recipe=recipe,
            seed=number,
            progress=progress,
        )
        for part, number in zip(parts, own, strict=True)
    ]


def family_of(model: Any, data: Dataset) -> NetworkFamily:
    """The family that ``model``'s card names, when it is a network's and one of ours; else what suits the shape."""
    entry = dict(model.card.get("family") or {}) if isinstance(model, Trained) else {}
    kind = FAMILIES.get(str(entry.get("name")))
    if kind is not None:
        # Cards that went through JSON hold lists where the constructor wants tuples.
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in entry["parameters"].items()}
        made: NetworkFamily = kind.make(given)
        return made
    return suited_network(data.domain.shape, data.classes)


def _half(pool: Part, seed: int, who: str, number: int) -> Part:
    order = seeds.rng(seed, who, "half", number).permutation(len(pool))
    return pool.take(torch.as_tensor(order[: len(pool) // 2]))
