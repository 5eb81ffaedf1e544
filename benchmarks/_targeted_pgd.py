"""The baseline of conferrable examples: targeted adversarial examples of the model alone, without an ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from stealproof.ownership._asked_inputs import Box, answers, finished, precision, starting_rows, width
from stealproof.ownership._label_agreement import NULL, label_agreement
from stealproof.roles.ownership import Fingerprint
from stealproof.roles.trial import Enrolment, Examination, Trial


@dataclass(frozen=True, kw_only=True)
class TargetedPgd(Fingerprint):
    """Projected gradient descent (Madry et al. 2018) to a random other class; inputs that reach it are kept.

    The reach is that of our conferrable examples, so that only the choice of direction differs.
    """

    null = NULL
    exact = False

    count: int = 100
    epsilon: float = 0.1
    """Largest change of a value, as a share of the domain's width."""
    iterations: int = 40

    def _enroll(self, enrolment: Enrolment) -> Mapping[str, Any]:
        model, data = enrolment.model.eval(), enrolment.data
        device, dtype = precision(model)
        rows = torch.as_tensor(starting_rows(data.train, self.count, enrolment.rng("rows"), who=self.name()))
        start = data.train.x[rows].to(device=device, dtype=dtype)
        away = torch.as_tensor(enrolment.rng("targets").integers(1, data.classes, size=self.count))
        target = ((data.train.y[rows] + away) % data.classes).to(device)
        reach = self.epsilon * width(data.domain)
        box = Box(start, data.domain, reach)
        x = start
        for _ in range(self.iterations):
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(functional.cross_entropy(model(x), target, reduction="sum"), x)
            x = box.nearest(x.detach() - 2.5 * reach / self.iterations * gradient.sign())
        inputs = finished(x, data.domain)
        labels = answers(model, inputs, data.domain, data.classes).predicted
        reached = labels == target.cpu().numpy()
        return {"inputs": inputs[reached], "labels": labels[reached]}

    def _examine(self, trial: Trial) -> Examination:
        return label_agreement(trial)
