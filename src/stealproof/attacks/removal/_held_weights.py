"""A hook of the training loop that keeps pruned weights at zero while the others are trained."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun


@dataclass(frozen=True, kw_only=True)
class HeldWeights(TrainingDefense):
    """Zeroes columns of one weight matrix before every step and at the end."""

    weight: str
    """Name of the parameter ``(outputs, inputs)``."""
    columns: torch.Tensor = field(repr=False)
    """Inputs whose weights are held at zero, ``(inputs,)`` bool."""

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """Zero before the forward pass; the batch stays as it is."""
        self._hold(model)
        return batch

    def finish(self, model: torch.nn.Module, data: Part, run: TrainingRun) -> torch.nn.Module:
        """Zero after the last update."""
        self._hold(model)
        return model

    def _hold(self, model: torch.nn.Module) -> None:
        weight = model.get_parameter(self.weight)
        with torch.no_grad():
            weight[:, self.columns.to(weight.device)] = 0
