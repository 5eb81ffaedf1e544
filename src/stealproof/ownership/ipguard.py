"""IPGuard: inputs beside the decision boundary of a model, which only its copies draw in the same place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from stealproof.errors import InputError
from stealproof.ownership._asked_inputs import Box, answers, finished, precision, starting_rows, width
from stealproof.ownership._label_agreement import NULL, label_agreement
from stealproof.roles.ownership import Fingerprint
from stealproof.roles.trial import Enrolment, Examination, Trial
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class Ipguard(Fingerprint):
    """Move inputs of class i just across the boundary to class j: logit j ahead of i by ``k``, i ahead of the rest.

    The loss max(0, z_i - z_j + k) + max(0, max of the other logits - z_i) is zero exactly there; every input is moved
    by Adam until it is, and a suspect's share of equal answers is its matching rate (section 4).
    """

    source = Source(
        authors="Cao, Jia, Gong",
        title="IPGuard: Protecting Intellectual Property of Deep Neural Networks via Fingerprinting the"
        " Classification Boundary",
        venue="AsiaCCS",
        year=2021,
        url="https://arxiv.org/abs/1910.12903",
    )
    departure = (
        "all inputs are moved in one batch, each until its own loss is zero, inside the legal range; k is 1, since"
        " logits of small networks differ by little: at 10, perceptrons that share only the owner's data agreed on"
        " every input; inputs that start from noise instead of data are left out"
    )
    null = NULL
    exact = False
    caveat = (
        "IPGuard is made for modified copies; models of the same architecture and data share much of the boundary, and"
        " adversarial examples that transfer forge such a claim"
    )

    count: int = 100
    """Inputs of the fingerprint; at least 1."""
    k: float = 1.0
    """How far the logit of the reached class lies ahead of that of the class left behind; 0 or more."""
    target: Literal["least likely", "random"] = "least likely"
    """The class that is reached: the model's last choice for the input, or any other at random."""
    iterations: int = 1000
    """Most steps of Adam; at least 1."""
    learning_rate: float = 1e-3
    """Adam's rate, as a share of the domain's width; above 0."""

    def _enroll(self, enrolment: Enrolment) -> Mapping[str, Any]:
        self._check_parameters()
        data = enrolment.data
        rows = starting_rows(data.train, self.count, enrolment.rng("rows"), who=self.name())
        device, dtype = precision(enrolment.model)
        start = data.train.x[torch.as_tensor(rows)].to(device=device, dtype=dtype)
        moved, arrived = self._cross(enrolment, start)
        x = finished(moved, data.domain)
        labels = answers(enrolment.model, x, data.domain, data.classes).predicted
        return {"inputs": x, "labels": labels, "arrived": arrived}

    def _check_parameters(self) -> None:
        for name, least in (("count", 1), ("k", 0), ("iterations", 1)):
            if not getattr(self, name) >= least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, got {self.learning_rate}")

    def _cross(self, enrolment: Enrolment, start: torch.Tensor) -> tuple[torch.Tensor, int]:
        """The moved inputs, and how many of them have no loss left."""
        model, domain = enrolment.model.eval(), enrolment.data.domain
        with torch.no_grad():
            logits = model(start)
        left = logits.argmax(dim=1)
        reached = self._targets(enrolment, logits, left)
        box = Box(start, domain)
        x = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([x], lr=self.learning_rate * width(domain))
        for step in range(self.iterations):
            loss = self._loss(model(x), left, reached)
            underway = (loss > 0).view(-1, *[1] * (x.ndim - 1))
            if not bool(underway.any()):
                break
            x.grad = torch.autograd.grad(loss.sum(), x)[0]
            before = x.detach().clone()
            optimizer.step()
            with torch.no_grad():
                # An input that has arrived stays, whatever the optimizer's momentum.
                x.copy_(torch.where(underway, box.nearest(x), before))
            enrolment.progress("moving inputs to the boundary", (step + 1) / self.iterations)
        with torch.no_grad():
            return x.detach(), int((self._loss(model(x), left, reached) <= 0).sum())

    def _targets(self, enrolment: Enrolment, logits: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
        if self.target == "least likely":
            return logits.argmin(dim=1)
        classes = logits.shape[1]
        shift = enrolment.rng("targets").integers(1, classes, size=len(left))
        return (left + torch.as_tensor(np.asarray(shift), device=left.device)) % classes

    def _loss(self, logits: torch.Tensor, left: torch.Tensor, reached: torch.Tensor) -> torch.Tensor:
        """``(n,)``; zero where the reached class leads by ``k`` and the class left behind is second."""
        both = torch.stack([left, reached], dim=1)
        mine, theirs = logits.gather(1, both).unbind(dim=1)
        others = logits.scatter(1, both, float("-inf")).amax(dim=1)
        return (mine - theirs + self.k).relu() + (others - mine).relu()

    def _examine(self, trial: Trial) -> Examination:
        return label_agreement(trial)
