"""The last layer of a network whose hidden units are known, and the network itself."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._affine_surrogate import affine_network
from stealproof.attacks.extraction._relu_lines import Units

CERTAIN = 0.1
"""How near to 0 or 1 the solution for a unit's sign must be."""


def last_layer(
    units: Units, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Output weights ``(h, outputs)``, linear part ``(d, outputs)`` and bias ``(outputs,)`` by least squares.

    The linear part makes the units' signs free, since ``relu(z) = z + relu(-z)``, and takes in units
    that are always on.
    """
    hidden = units.hidden(x)
    design = np.concatenate([hidden, x, np.ones((len(x), 1))], axis=1)
    weights = np.linalg.lstsq(design, y, rcond=1e-13)[0]
    h = hidden.shape[1]
    return weights[:h], weights[h:-1], weights[-1]


def assembled(
    units: Units, u: NDArray[np.float64], linear: NDArray[np.float64], bias: NDArray[np.float64]
) -> tuple[torch.nn.Sequential, bool]:
    """The network, and whether its linear part vanished, so that it has no more units than the victim.

    A linear part ``z`` that is left costs two units for each output: ``z = relu(z) - relu(-z)``.
    """
    if not len(u):
        return affine_network(np.concatenate([linear, bias[None]])), False
    a, b, linear, bias = units.a.copy(), units.b.copy(), linear.copy(), bias.copy()
    for j in _wrong_signs(units, u, linear):
        # u relu(z) = u z + u relu(-z)
        linear += np.outer(a[j], u[j])
        bias += b[j] * u[j]
        a[j], b[j] = -a[j], -b[j]
    plain = float(np.abs(linear).max()) < 1e-6 * max(float(np.abs(u).max()), 1e-300)
    if not plain:
        outputs = linear.shape[1]
        a = np.concatenate([a, linear.T, -linear.T])
        b = np.concatenate([b, np.zeros(2 * outputs)])
        u = np.concatenate([u, np.eye(outputs), -np.eye(outputs)])
    hidden, output = affine_network(np.concatenate([a.T, b[None]])), affine_network(np.concatenate([u, bias[None]]))
    return torch.nn.Sequential(*hidden, torch.nn.ReLU(), output[1]), plain


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
