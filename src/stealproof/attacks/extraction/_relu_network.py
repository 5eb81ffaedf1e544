"""The last layer of a network whose hidden units are known, and the network itself."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._affine_surrogate import affine_network
from stealproof.attacks.extraction._relu_lines import Units

CERTAIN = 0.1
"""How near to 0 or 1 the solution for a unit's sign must be."""


class ReluWithSkip(torch.nn.Module):
    """One hidden layer of ReLUs beside a linear map from input to output, which stands for units that never switch."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        """Weights are left as they come: they are to be filled in."""
        super().__init__()
        self.hidden = torch.nn.utils.skip_init(torch.nn.Linear, inputs, hidden, dtype=torch.float64)
        self.output = torch.nn.utils.skip_init(torch.nn.Linear, hidden, outputs, dtype=torch.float64)
        self.skip = torch.nn.utils.skip_init(torch.nn.Linear, inputs, outputs, bias=False, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Inputs ``(n, *shape)`` to logits ``(n, outputs)``."""
        flat = x.flatten(1)
        logits: torch.Tensor = self.output(self.hidden(flat).relu()) + self.skip(flat)
        return logits


def last_layer(
    units: Units, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Output weights ``(h, outputs)``, linear part ``(d, outputs)`` and bias ``(outputs,)`` by least squares.

    The linear part makes the units' signs free, since ``relu(z) = z + relu(-z)``, and takes in units always on.
    """
    hidden = units.hidden(x)
    design = np.concatenate([hidden, x, np.ones((len(x), 1))], axis=1)
    weights = np.linalg.lstsq(design, y, rcond=1e-13)[0]
    h = hidden.shape[1]
    return weights[:h], weights[h:-1], weights[-1]


def assembled(
    units: Units, u: NDArray[np.float64], linear: NDArray[np.float64], bias: NDArray[np.float64]
) -> tuple[torch.nn.Module, bool]:
    """The network, and whether its linear part vanished, so that it is of the victim's own architecture."""
    a, b, linear, bias = units.a.copy(), units.b.copy(), linear.copy(), bias.copy()
    for j in _wrong_signs(units, u, linear):
        # u relu(z) = u z + u relu(-z)
        linear += np.outer(a[j], u[j])
        bias += b[j] * u[j]
        a[j], b[j] = -a[j], -b[j]
    size = max(float(np.abs(u).max(initial=0.0)), 1e-300)
    if not len(u):
        return affine_network(np.concatenate([linear, bias[None]])), False
    plain = float(np.abs(linear).max()) < 1e-6 * size
    network = ReluWithSkip(a.shape[1], len(a), len(bias))
    with torch.no_grad():
        network.hidden.weight.copy_(torch.as_tensor(a))
        network.hidden.bias.copy_(torch.as_tensor(b))
        network.output.weight.copy_(torch.as_tensor(u.T))
        network.output.bias.copy_(torch.as_tensor(bias))
        network.skip.weight.copy_(torch.as_tensor(linear.T))
    if plain:
        return torch.nn.Sequential(torch.nn.Flatten(), network.hidden, torch.nn.ReLU(), network.output), True
    return network, False


def _wrong_signs(units: Units, u: NDArray[np.float64], linear: NDArray[np.float64]) -> list[int]:
    """Units to be mirrored so that the linear part vanishes: it is minus the sum of ``a u^T`` over them.

    Empty when that can't be told: too few equations, or units that are always on.
    """
    h = len(u)
    if h == 0 or h > linear.size:
        return []
    products = np.stack([np.outer(units.a[j], u[j]).ravel() for j in range(h)], axis=1)
    share, _, rank, _ = np.linalg.lstsq(products, -linear.ravel(), rcond=1e-9)
    if rank < h or np.abs(share - np.round(share)).max() > CERTAIN or not np.isin(np.round(share), (0.0, 1.0)).all():
        return []
    return [int(j) for j in np.flatnonzero(np.round(share) == 1.0)]
