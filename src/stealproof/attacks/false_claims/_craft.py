"""Crafting: inputs moved until several networks agree on them, in the hope that networks unseen agree as well."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from stealproof.errors import InputError
from stealproof.ownership._asked_inputs import Box, finished, precision, starting_rows, width
from stealproof.roles.dataset import Part
from stealproof.roles.false_claim import Framing


def check_moves(attack: Any) -> None:
    """Refuse an attack's parameters with which nothing could be crafted."""
    for name in ("triggers", "iterations"):
        if getattr(attack, name) < 1:
            raise InputError(f"{name} must be at least 1, got {getattr(attack, name)}")
    if attack.candidates < attack.triggers:
        raise InputError(f"candidates must be at least the {attack.triggers} triggers, got {attack.candidates}")
    for name in ("radius", "step"):
        if not 0 < getattr(attack, name) < math.inf:
            raise InputError(f"{name} must be above 0 and finite, got {getattr(attack, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Craft:
    """Who is to agree on the inputs, and how far those may move."""

    framing: Framing
    own: torch.nn.Module
    """The model that the claim is about."""
    models: Sequence[torch.nn.Module]
    """The losses of all of these are summed."""
    held_out: Sequence[torch.nn.Module]
    """Networks that the inputs never met while they moved; the best inputs are chosen by these. May be empty."""
    triggers: int
    candidates: int
    radius: float
    """Largest change of a value, as a share of the domain's width."""
    step: float
    """Of the same unit."""
    iterations: int

    def start(self, *names: str) -> Part:
        """As many different rows of the accuser's as there are candidates, or all; with labels ``(n,)``."""
        train = self.framing.data.train
        most = len(np.unique(train.x.reshape(len(train), -1).numpy().astype(np.float32), axis=0))
        count = min(self.candidates, most)
        rows = torch.as_tensor(starting_rows(train, count, self.framing.rng("rows", *names), who="the accuser"))
        return Part(x=train.x[rows], y=train.labels[rows])

    def wrong(self, true: torch.Tensor, *names: str) -> torch.Tensor:
        """One of the other classes for each of ``true``, all equally likely."""
        shift = self.framing.rng("labels", *names).integers(1, self.framing.classes, size=len(true))
        return (true + torch.as_tensor(shift)) % self.framing.classes

    def move(self, start: torch.Tensor, labels: torch.Tensor, *, towards: bool) -> NDArray[np.float32]:
        """Inputs near ``start`` where the summed loss at ``labels`` is small (``towards``) or large: IFGSM."""
        domain = self.framing.domain
        device, dtype = precision(self.models[0])
        start, labels = start.to(device=device, dtype=dtype), labels.to(device)
        box = Box(start, domain, self.radius * width(domain))
        stride = self.step * width(domain) * (-1 if towards else 1)
        x = start
        for number in range(self.iterations):
            x = x.detach().requires_grad_()
            # A sum, so that no input's steps depend on how many others there are.
            (gradient,) = torch.autograd.grad(_losses(self.models, x, labels).sum(), x)
            x = box.nearest(x.detach() + stride * gradient.sign())
            self.framing.progress("moving inputs", (number + 1) / self.iterations)
        return finished(x, domain)

    def probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """The mean of the networks' probabilities, ``(n, classes)``."""
        with torch.no_grad():
            return torch.stack([log_probabilities(model, x).exp().cpu() for model in self.models]).mean(dim=0)

    def consensus(self, x: NDArray[np.float32], *, but: torch.Tensor | None = None) -> torch.Tensor:
        """The class ``(n,)`` of the largest summed log-probability; never that of ``but``, where given."""
        with torch.no_grad():
            total = sum(log_probabilities(model, torch.as_tensor(x)) for model in self.models)
        assert isinstance(total, torch.Tensor)
        if but is not None:
            total = total.scatter(1, but[:, None].to(total.device), float("-inf"))
        return total.argmax(dim=1).cpu()

    def best(self, x: NDArray[np.float32], labels: torch.Tensor, count: int) -> NDArray[np.int64]:
        """Numbers of the ``count`` different inputs that fresh eyes are surest to give their ``labels``."""
        with torch.no_grad():
            doubt = _losses(self.held_out or self.models, torch.as_tensor(x), labels).cpu().numpy()
        first = np.unique(x.reshape(len(x), -1), axis=0, return_index=True)[1]
        different = np.sort(first)
        return np.asarray(different[np.argsort(doubt[different], kind="stable")[:count]], dtype=np.int64)


def _losses(models: Sequence[torch.nn.Module], x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The cross-entropies ``(n,)`` of all models together."""
    total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    for model in models:
        shown = log_probabilities(model, x).to(total)
        total = total + functional.nll_loss(shown, labels.to(x.device), reduction="none")
    return total


def log_probabilities(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The log-probabilities ``(n, classes)`` that ``model`` gives; differentiable by ``x``."""
    device, dtype = precision(model)
    found: torch.Tensor = model(x.to(device=device, dtype=dtype)).log_softmax(dim=1)
    return found
