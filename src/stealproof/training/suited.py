"""Suited defaults: which network and which recipe to take when nobody chose one."""

from __future__ import annotations

from collections.abc import Sequence

from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.training_defense import TrainingDefense
from stealproof.training.recipe import Recipe


def suited_network(shape: tuple[int, ...], classes: int) -> NetworkFamily:
    """A small network for inputs ``(n, *shape)``: ``LeNet`` for images of at least 12x12, else ``Mlp``."""
    del classes
    if len(shape) == 3 and min(shape[1:]) >= 12:
        return LeNet()
    return Mlp()


def suited_recipe(architecture: NetworkFamily, rows: int, protections: Sequence[TrainingDefense] = ()) -> Recipe:
    """The recipe for ``architecture`` on ``rows`` examples, changed where ``protections`` need it."""
    recipe = _plain_recipe(architecture, rows)
    for protection in protections:
        recipe = protection.suited(recipe, rows)
    return recipe


def _plain_recipe(architecture: NetworkFamily, rows: int) -> Recipe:
    """The recipe that was measured to train ``architecture`` on ``rows`` examples well and cheaply.

    Measured on validation rows of FashionMNIST (convolutions: Muon with one cycle reaches in 3 epochs what Adam
    does not in 10) and of digits, breast cancer and Adult (``Mlp``: plain momentum, since Muon overfits few noisy
    rows and costs three times the time there). Few rows get more epochs, so that every run has enough steps.
    """
    if isinstance(architecture, Mlp):
        batch = 64 if rows < 20_000 else 256
        return Recipe(epochs=_epochs(rows, batch, steps=1000, least=5, most=200), batch=batch, learning_rate=0.1)
    batch = 64 if rows < 2_000 else 128
    return Recipe(
        epochs=_epochs(rows, batch, steps=160, least=3, most=50),
        batch=batch,
        optimizer="muon",
        learning_rate=0.05,
        momentum=0.9,
        weight_decay=0.0,
    )


def _epochs(rows: int, batch: int, *, steps: int, least: float, most: float) -> float:
    """Epochs that make about ``steps`` steps, within bounds."""
    return min(most, max(least, round(steps * batch / max(rows, 1), 1)))
