"""Three ways to say how odd one half of the training rows is, given the other half. Larger means odder."""

from __future__ import annotations

import torch
from torch.nn import functional

from stealproof.defenses.training._shapley import ENTRIES, shapley_values
from stealproof.roles.dataset import Part
from stealproof.training.fit import fit
from stealproof.training.suited import suited_network

ROWS = 1000
"""Rows of one forward pass."""


def by_loss(mine: Part, network: torch.nn.Module) -> torch.Tensor:
    """Cross-entropy ``(n,)`` under a network that saw none of these rows."""
    return functional.cross_entropy(_outputs(network, mine.x), mine.y, reduction="none").double()


def by_shapley(
    mine: Part, other: Part, *, k: int, validation: int, generator: torch.Generator, network: torch.nn.Module | None
) -> torch.Tensor:
    """Minus the Shapley value ``(n,)`` of each row, by at most ``validation`` points of the other half."""
    points = other.take(torch.randperm(len(other), generator=generator)[:validation])
    values = shapley_values(_placed(mine.x, network), mine.labels, _placed(points.x, network), points.labels, k=k)
    return -values


def by_neighbours(mine: Part, other: Part, *, k: int, network: torch.nn.Module | None) -> torch.Tensor:
    """Mean distance ``(n,)`` to the ``k`` nearest rows of the same class in the other half; infinite without any."""
    rows, others = _placed(mine.x, network), _placed(other.x, network)
    labels, their_labels = mine.labels, other.labels
    scores = torch.full((len(rows),), torch.inf, dtype=torch.float64)
    for label in labels.unique():
        places = (labels == label).nonzero().flatten()
        alike = others[their_labels == label]
        if len(alike) == 0:
            continue
        for some in places.split(max(1, ENTRIES // len(alike))):
            near = torch.cdist(rows[some], alike).topk(min(k, len(alike)), largest=False).values
            scores[some] = near.double().mean(dim=1)
    return scores


def quick_network(data: Part, classes: int, generator: torch.Generator) -> torch.nn.Module:
    """A small network, trained by the recipe that suits it."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return fit(suited_network(tuple(data.x.shape[1:]), classes), data, classes=classes, seed=seed)


def _placed(x: torch.Tensor, network: torch.nn.Module | None) -> torch.Tensor:
    """Where distances are taken: flat inputs, or what the last linear layer of a network gets."""
    if network is None:
        return x.flatten(1).float()
    seen: list[torch.Tensor] = []
    last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    handle = last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    _outputs(network, x)
    handle.remove()
    return torch.cat(seen)


def _outputs(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    dtype = next(network.parameters()).dtype
    with torch.no_grad():
        return torch.cat([network(some.to(dtype)) for some in x.split(ROWS)])
