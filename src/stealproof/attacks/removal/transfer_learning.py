"""Transfer learning: move the stolen features to another task with a new last layer, and back again."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.extraction._label_tree import cluster_labels
from stealproof.attacks.removal._network import between, features, last_layer
from stealproof.attacks.removal._tune import constant_rate, tune
from stealproof.errors import InputError
from stealproof.models._initialise import draw_weights
from stealproof.roles.dataset import Part
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class TransferLearning(Removal):
    """First the network learns, with a new last layer, which cluster of the suspect's inputs a row belongs to.

    Then a second new layer learns the classes: alone on the features as they are now, after that with all others.
    """

    source = Source(
        authors="Lukas, Jiang, Li, Kerschbaum",
        title="SoK: How Robust is Image Classification Deep Neural Network Watermarking?",
        venue="IEEE S&P",
        year=2022,
        url="https://arxiv.org/abs/2108.04974",
    )
    departure = (
        "the other task is made of the suspect's own rows (k-means clusters of their values), since a suspect here has"
        " no second labelled data set, and inputs are not enlarged"
    )
    clusters: int = 20
    """Classes of the other task; 2 to 1,000."""
    frozen: bool = False
    """Whether only the new last layer is trained on the way back."""
    epochs: float = 10.0
    """Passes over the suspect's rows in each phase; positive."""
    learning_rate: float = 0.01
    """Of SGD with momentum 0.9, constant; positive."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        between("clusters", self.clusters, 2, 1000)
        recipe = constant_rate(self.epochs, self.learning_rate)
        model, data = washing.model, washing.data
        features(model, last_layer(model), data.x[:1])
        other = torch.from_numpy(cluster_labels(data.x.numpy(), self.clusters, washing.rng(self.name(), "clusters")))
        _replace_last(model, self.clusters, washing.generator(self.name(), "there"))
        moved = tune(
            washing,
            model,
            recipe,
            self.name(),
            "there",
            data=Part(x=data.x, y=other),
            classes=self.clusters,
            span=(0.0, 0.4),
        )
        head = _replace_last(moved, washing.classes, washing.generator(self.name(), "back"))
        read = Part(x=features(moved, head, data.x), y=data.y)
        tuned = tune(washing, head, recipe, self.name(), "head", data=read, span=(0.4, 0.6))
        head.load_state_dict(tuned.state_dict())
        return moved if self.frozen else tune(washing, moved, recipe, self.name(), "back", span=(0.6, 1.0))


def _replace_last(model: torch.nn.Module, outputs: int, generator: torch.Generator) -> torch.nn.Linear:
    """Put a new last layer with ``outputs`` classes into ``model`` and return it."""
    old = last_layer(model)
    parent, _, name = next(name for name, module in model.named_modules() if module is old).rpartition(".")
    if not name:
        raise InputError("transfer_learning needs a network with hidden layers, and this one is a single linear layer")
    # The constructor draws weights, which are drawn again below; nobody's generator may notice.
    with torch.random.fork_rng(devices=[]):
        new = torch.nn.Linear(old.in_features, outputs, bias=old.bias is not None, dtype=old.weight.dtype)
    draw_weights(new, generator)
    setattr(model.get_submodule(parent), name, new)
    return new
