"""Suited defaults: which network and which recipe to take when nobody chose one."""

from __future__ import annotations

from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.roles.architecture import NetworkFamily
from stealproof.training.recipe import Recipe


def suited_network(shape: tuple[int, ...], classes: int) -> NetworkFamily:
    """A small network for inputs ``(n, *shape)``: ``LeNet`` for images of at least 12x12, else ``Mlp``."""
    del classes
    if len(shape) == 3 and min(shape[1:]) >= 12:
        return LeNet()
    return Mlp()


def suited_recipe(architecture: NetworkFamily, rows: int) -> Recipe:
    """The recipe that was measured to train ``architecture`` on ``rows`` examples well and cheaply."""
    del architecture
    batch = 64 if rows < 20_000 else 256
    return Recipe(epochs=max(5.0, min(200.0, 40_000 / max(rows, 1))), batch=batch, learning_rate=0.05)
