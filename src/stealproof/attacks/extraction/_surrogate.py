"""Training a surrogate on what the victim answered: the step that nearly every extraction attack ends with."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.errors import InvalidData
from stealproof.oracle import as_array
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part
from stealproof.roles.extraction import Theft
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_network, suited_recipe


def train_surrogate(
    theft: Theft,
    x: NDArray[Any],
    targets: NDArray[Any],
    *,
    name: str = "surrogate",
    progress_share: tuple[float, float] = (0.0, 1.0),
    start: torch.nn.Module | None = None,
) -> torch.nn.Module:
    """Train the thief's network on queries and answers, from scratch unless ``start`` is given.

    Args:
        theft: names the architecture and recipe; where it leaves them open, those that were measured to suit.
        x: queries ``(n, *shape)``, numeric; converted to the precision of training.
        targets: labels ``(n,)`` int64, or probabilities ``(n, classes)`` float, each row summing to 1.
        name: tells this training run from the others of the same theft; its randomness follows from it.
        progress_share: the part of the whole attack that this run is, for the progress display.
        start: a network of the same family to go on from; it is not changed.

    Returns:
        A network in evaluation mode, from ``(n, *shape)`` float32 to logits ``(n, classes)``, on the CPU.
    """
    x, targets = as_array(x), as_array(targets)
    if targets.ndim not in (1, 2) or len(targets) != len(x):
        raise InvalidData(
            f"expected targets of shape ({len(x)},) or ({len(x)}, {theft.oracle.classes}), got {targets.shape}"
        )
    y = torch.as_tensor(targets, dtype=torch.float32 if targets.ndim == 2 else torch.int64)
    data = Part(x=torch.as_tensor(x), y=y)
    architecture = theft.architecture or suited_network(tuple(x.shape[1:]), theft.oracle.classes)
    begin, end = progress_share
    return fit(
        architecture,
        data,
        classes=theft.oracle.classes,
        recipe=theft.recipe or thief_recipe(architecture, y),
        seed=seeds.derive(theft.seed, name),
        progress=lambda what, share: theft.progress(f"{what} {name}", begin + (end - begin) * share),
        start=start,
    )


def thief_recipe(architecture: NetworkFamily, y: torch.Tensor) -> Recipe:
    """The suited recipe, with the smoothing that was measured to raise fidelity where only labels are known.

    It gains 0.2 to 0.5 points for convolutional networks and loses as much for ``Mlp`` on tabular data, hence the
    condition. Probabilities say themselves where the victim is in doubt.
    """
    recipe = suited_recipe(architecture, len(y))
    only_labels = y.ndim == 1 or bool((y.max(dim=1).values == 1).all())
    if recipe.optimizer == "muon" and only_labels:
        return dataclasses.replace(recipe, label_smoothing=0.1)
    return recipe
