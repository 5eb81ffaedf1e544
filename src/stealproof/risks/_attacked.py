"""What an evasion attack works on: a frozen copy of the network, and the legal ball around each row."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch

from stealproof.oracle import Domain
from stealproof.risks._margins import hard_margin
from stealproof.training._placement import place
from stealproof.training.recipe import Recipe

CHUNK = 256
"""Rows of one pass; more are slower on a CPU, since the images of a layer then leave its cache."""
ROUNDING = 2.0**-5
"""Share of the largest logit that bfloat16 may move a logit by; several roundings of 2^-8 each add up."""

Loss = Callable[..., torch.Tensor]
"""From logits ``(n, classes)``, labels ``(n,)`` and further columns to one number a row ``(n,)``; higher is worse."""


class Attacked:
    """A copy of a network in evaluation mode whose weights want no gradients; the original stays as it is."""

    def __init__(self, model: torch.nn.Module, *, rounded: bool = False) -> None:
        """Copy ``model`` to where it is fast: a GPU when torch sees one, convolutions with channels last.

        ``rounded`` lets ``uphill`` compute gradients in bfloat16 where the hardware has such products and the network
        convolves in float32. Whether a row stands is always decided in the network's own precision.
        """
        tensors = [tensor for tensor in (*model.parameters(), *model.buffers()) if tensor.is_floating_point()]
        self.dtype = tensors[0].dtype if tensors else torch.float32
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network = copy.deepcopy(model).eval().requires_grad_(False).to(self.device)
        placement = place(network, Recipe())
        self._network = network.to(memory_format=placement.layout)  # type: ignore[call-overload]
        self._rounded = rounded and placement.bfloat16 and self.dtype == torch.float32
        self.passes = 0
        """Inputs that were passed forward so far."""

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Answers ``(n, classes)`` to ``(n, *shape)``, without gradients."""
        self.passes += len(x)
        with torch.no_grad():
            return torch.cat([self._network(_copied(part)) for part in x.split(CHUNK)])

    def stands(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Which rows ``(n,)`` are classified correctly."""
        return self.logits(x).argmax(dim=1) == y

    def uphill(
        self, x: torch.Tensor, y: torch.Tensor, loss: Loss, *more: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One pass to and fro: the loss ``(n,)``, its gradient ``(n, *shape)``, and which rows ``(n,)`` still stand.

        Where the answers do not depend on the inputs in a differentiable way, the gradient is 0.
        """
        self.passes += len(x)
        losses, gradients, stands = [], torch.empty_like(x), []
        for begin in range(0, len(x), CHUNK):
            rows = slice(begin, begin + CHUNK)
            at = _copied(x[rows]).requires_grad_()
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._rounded):
                logits = self._network(at)
            logits = logits.to(self.dtype)
            value = loss(logits, y[rows], *(column[rows] for column in more))
            if value.requires_grad:
                # Only the gradient of the input: that of the weights would cost half as much again.
                (gradient,) = torch.autograd.grad(value.sum(), at, allow_unused=True)
            else:
                gradient = None
            gradients[rows] = 0.0 if gradient is None else gradient
            losses.append(value.detach())
            stands.append(self._still(logits.detach(), at.detach(), y[rows]))
        return torch.cat(losses), gradients, torch.cat(stands)

    def _still(self, logits: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Which rows stand; those that rounded logits decide narrowly, or against the label, are asked again."""
        stands = logits.argmax(dim=1) == y
        if self._rounded:
            doubtful = hard_margin(logits, y) >= -ROUNDING * logits.abs().amax(dim=1)
            if bool(doubtful.any()):
                stands[doubtful] = self.stands(x[doubtful], y[doubtful])
        return stands

    def differentiable(self, x: torch.Tensor) -> bool:
        """Whether the answers to ``x`` ``(n, *shape)`` have a gradient at all."""
        logits = self._network(_copied(x).requires_grad_())
        return bool(logits.requires_grad)


@dataclass(frozen=True, slots=True)
class Ball:
    """Where each input may be moved: no value further than the radius, and no value out of the legal range.

    Columns that only take listed values stay as they are: halfway values are none, and no API would take them.
    """

    low: torch.Tensor
    """``(n, *shape)``."""
    high: torch.Tensor
    """``(n, *shape)``."""

    @classmethod
    def around(cls, x: torch.Tensor, radius: float, domain: Domain) -> Ball:
        """The balls around ``x`` ``(n, *shape)``; ``radius`` in the data's own units."""
        low, high = (x - radius).clamp(min=domain.low), (x + radius).clamp(max=domain.high)
        fixed = list(domain.levels)
        if fixed:
            low[:, fixed] = high[:, fixed] = x[:, fixed]
        return cls(low, high)

    def take(self, rows: torch.Tensor) -> Ball:
        """The balls of these rows (numbers or a mask)."""
        return Ball(self.low[rows], self.high[rows])

    def nearest(self, x: torch.Tensor) -> torch.Tensor:
        """The inputs inside that are nearest to ``x``."""
        return torch.clamp(x, self.low, self.high)


def _copied(x: torch.Tensor) -> torch.Tensor:
    """A copy; images in the layout in which convolutions are fastest, also when they have a single channel."""
    if x.ndim != 4:
        return x.detach().clone()
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    return out.copy_(x.detach())
