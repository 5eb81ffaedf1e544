"""Marked images for entangled watermarks: a pattern, and a small change that draws them towards the target class."""

from __future__ import annotations

import torch
from torch.nn import functional

from stealproof.ownership._soft_nearest_neighbours import entanglement

CHUNK = 64
"""Marked images that are drawn towards equally many natural ones at a time."""
RETREATS = 50
"""Most steps away from the target class for one chunk, as in the authors' code."""


def patterned(x: torch.Tensor, size: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    """``x`` with a square at the far end of the range, at a random one of the places where that changes most."""
    mean, middle = x.mean(dim=(0, 1)), (low + high) / 2
    change = torch.where(mean < middle, high - mean, mean - low)
    gain = functional.avg_pool2d(change[None, None], size, stride=1)[0, 0]
    places = (gain >= 0.9 * gain.max()).nonzero()
    row, column = places[int(torch.randint(len(places), (), generator=generator))].tolist()
    square = slice(row, row + size), slice(column, column + size)
    marked = x.clone()
    marked[:, :, square[0], square[1]] = torch.where(mean[square] < middle, high, low).to(x.dtype)
    return marked


def drawn(
    scout: torch.nn.Module,
    x: torch.Tensor,
    targets: torch.Tensor,
    target: int,
    *,
    low: float,
    high: float,
    step: float,
    rounds: int,
    mistaken: float,
    layers: int,
    temperature: float,
) -> torch.Tensor:
    """``x`` after ``rounds`` steps of each feature that entangle it with ``targets`` in the hidden layers of ``scout``.

    Whenever ``scout`` puts more than a share ``mistaken`` of them into the class ``target``, they step back from it, so
    that a network without the watermark does not take them for that class.
    """
    chunks = []
    for start in range(0, len(x), CHUNK):
        marked, retreats = x[start : start + CHUNK], 0
        natural = targets[torch.arange(start, start + len(marked)) % len(targets)]
        groups = torch.arange(len(marked) + len(natural)) < len(marked)
        for _ in range(rounds):
            marked = marked.detach().requires_grad_()
            rows = torch.cat([marked, natural])
            entangled = entanglement(scout, rows, groups, layers=layers, temperature=temperature)
            (gradient,) = torch.autograd.grad(entangled, marked)
            marked = (marked.detach() + step * gradient.sign()).clamp(low, high)
            while retreats < RETREATS:
                marked = marked.detach().requires_grad_()
                logits = scout(marked)
                if float((logits.argmax(dim=1) == target).float().mean()) <= mistaken:
                    break
                (gradient,) = torch.autograd.grad(logits[:, target].sum(), marked)
                marked = (marked.detach() - step * gradient.sign()).clamp(low, high)
                retreats += 1
        chunks.append(marked.detach())
    return torch.cat(chunks)
