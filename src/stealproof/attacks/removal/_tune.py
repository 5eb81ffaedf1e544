"""Further training of a stolen network, and fresh students to train in its place."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch

from stealproof.attacks.removal._network import precision
from stealproof.errors import InputError
from stealproof.models._initialise import draw_weights
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.models.resnet import ResNet
from stealproof.models.strided_cnn import StridedCnn
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part
from stealproof.roles.removal import Washing
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_network, suited_recipe

Architecture = Literal["same", "mlp", "lenet", "strided_cnn", "resnet"]
"""The stolen network's own layers with fresh weights, or a family with its default parameters."""
FAMILIES: Mapping[str, Callable[[], NetworkFamily]] = {
    "mlp": Mlp,
    "lenet": LeNet,
    "strided_cnn": StridedCnn,
    "resnet": ResNet,
}


def constant_rate(epochs: float, learning_rate: float, **changes: Any) -> Recipe:
    """Plain fine-tuning: SGD with momentum at one rate, batches of 100, as Adi et al. 2018 train."""
    settings: dict[str, Any] = {"batch": 100, "schedule": "constant", **changes}
    return Recipe(epochs=epochs, learning_rate=learning_rate, **settings)


def tune(
    washing: Washing,
    start: torch.nn.Module,
    recipe: Recipe,
    *names: str,
    data: Part | None = None,
    classes: int | None = None,
    protections: Sequence[Any] = (),
    span: tuple[float, float] = (0.0, 1.0),
) -> torch.nn.Module:
    """``start``, trained on with the suspect's rows, or with ``data``; ``start`` itself stays as it is.

    Args:
        washing: whose randomness and progress.
        start: from rows of ``data`` to logits.
        recipe: how; a float64 network stays one.
        names: of this run's seed.
        data: rows to train on.
        classes: of ``data``, where they are not the task's.
        protections: what acts in the training loop.
        span: the share of the removal that this run is, for the progress display.
    """
    if precision(start) == torch.float64 and recipe.precision == "auto":
        recipe = dataclasses.replace(recipe, precision="float64")
    low, high = span
    return fit(
        suited_network(washing.domain.shape, washing.classes),
        washing.data if data is None else data,
        classes=classes or washing.classes,
        domain=washing.domain if data is None else None,
        protections=protections,
        recipe=recipe,
        seed=washing.training_seed(*names),
        progress=lambda what, share: washing.progress(what, low + (high - low) * share),
        start=start,
    )


def student(washing: Washing, architecture: str, *names: str) -> tuple[torch.nn.Module, Recipe]:
    """An untrained network, and the recipe that suits it.

    Raises:
        InputError: no such architecture, or layers of the stolen network that can't be drawn anew.
        InvalidData: the family is not made for such inputs.
    """
    generator = washing.generator(*names, "weights")
    if architecture == "same":
        convolves = any(isinstance(module, torch.nn.Conv2d) for module in washing.model.modules())
        family: NetworkFamily = LeNet() if convolves else Mlp()
        model = _drawn_anew(washing.model, generator)
    elif architecture in FAMILIES:
        family = FAMILIES[architecture]()
        model = family.build(washing.domain.shape, washing.classes, generator)
    else:
        raise InputError(f"architecture must be one of same, {', '.join(FAMILIES)}, got {architecture!r}")
    return model, suited_recipe(family, len(washing.data))


def _drawn_anew(model: torch.nn.Module, generator: torch.Generator) -> torch.nn.Module:
    """The same layers, none of whose weights are the stolen ones."""
    fresh = copy.deepcopy(model)
    drawn = torch.nn.Linear | torch.nn.Conv2d
    reset = torch.nn.BatchNorm1d | torch.nn.BatchNorm2d | torch.nn.GroupNorm | torch.nn.LayerNorm
    for name, module in fresh.named_modules():
        if isinstance(module, reset):
            # Ones and zeros: no randomness is involved.
            module.reset_parameters()
        elif not isinstance(module, drawn) and any(True for _ in module.parameters(recurse=False)):
            raise InputError(
                f"the weights of {name or 'the network'} ({type(module).__name__}) can't be drawn anew; choose an"
                f" architecture: {', '.join(FAMILIES)}"
            )
    return draw_weights(fresh, generator)
