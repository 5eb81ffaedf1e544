"""Fine-pruning: cut off units that are dormant on clean data, where backdoors hide, then fine-tune."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stealproof.attacks.removal._held_weights import HeldWeights
from stealproof.attacks.removal._network import between, features, last_layer
from stealproof.attacks.removal._tune import constant_rate, tune
from stealproof.roles.removal import Removal, Washing
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class FinePruning(Removal):
    """Prune the units that the last layer reads in the order of their mean activation on the suspect's rows.

    Pruning ends before it would cost more accuracy than ``most_loss`` on those rows. Pruned units stay so while the
    rest is fine-tuned.
    """

    source = Source(
        authors="Liu, Dolan-Gavitt, Garg",
        title="Fine-Pruning: Defending Against Backdooring Attacks on Deep Neural Networks",
        venue="RAID",
        year=2018,
        url="https://arxiv.org/abs/1805.12185",
    )
    departure = (
        "units that feed the last layer are pruned, which are the last convolution's channels only where that layer"
        " reads pooled channels, as in a ResNet: so perceptrons have units to prune, too"
    )
    most_loss: float = 0.04
    """Accuracy on the suspect's rows that pruning may cost before fine-tuning; 0 to 1."""
    epochs: float = 10.0
    """Passes of fine-tuning over the suspect's rows; positive."""
    learning_rate: float = 0.001
    """Of SGD with momentum 0.9, constant; positive."""

    def _erase(self, washing: Washing) -> torch.nn.Module:
        between("most_loss", self.most_loss, 0, 1)
        recipe = constant_rate(self.epochs, self.learning_rate)
        model, head, labels = washing.model, last_layer(washing.model), washing.data.y
        read = features(model, head, washing.data.x)
        hard = labels if labels.ndim == 1 else labels.argmax(dim=1)
        pruned = _dormant(head, read, hard, self.most_loss)
        name = next(name for name, weight in model.named_parameters() if weight is head.weight)
        return tune(washing, model, recipe, self.name(), protections=[HeldWeights(weight=name, columns=pruned)])


def _dormant(head: torch.nn.Linear, read: torch.Tensor, labels: torch.Tensor, most_loss: float) -> torch.Tensor:
    """The most dormant of the units ``read``, ``(n, units)``, that can go: ``(units,)`` bool."""
    order = read.abs().mean(dim=0).argsort(stable=True)
    pruned = torch.zeros(len(order), dtype=torch.bool)
    with torch.no_grad():
        answers = head(read)
        least = (answers.argmax(dim=1) == labels).double().mean() - most_loss
        for unit in order:
            answers = answers - read[:, unit, None] * head.weight[:, unit]
            if (answers.argmax(dim=1) == labels).double().mean() < least:
                break
            pruned[unit] = True
    return pruned
