"""Two ways to lay the distances of dataset inference out in rows: as its released code does, and one row an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from stealproof import seeds
from stealproof.measures.welch import welch_test
from stealproof.ownership._margin_regressor import fit_regressor, scores

Distances = NDArray[np.float64]
ITERATIONS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Distances ``(n, norms, classes)``, ascending over classes, of one model around two sets of n images."""

    members: Distances
    strangers: Distances

    def take(self, rows: slice | NDArray[np.int64]) -> Sides:
        """Some images of each side."""
        return Sides(members=self.members[rows], strangers=self.strangers[rows])


def released(victim: Sides, suspect: Sides, seed: int) -> dict[str, float]:
    """p-values of victim and suspect by the layout of the released notebooks and of what was copied from them.

    Distances are scaled by the mean and spread of each norm around the victim's members, transposed to (norms,
    classes, images) and then *reshaped* to (images, norms * classes): each row takes neighbouring images' distances to
    one class. The first half of the rows fits the regressor and the second half verifies. As norms change slowest,
    every image stands in both.
    """
    mean, spread = victim.members.mean(axis=(0, 2)), victim.members.std(axis=(0, 2), ddof=1)

    def rows(distances: Distances) -> torch.Tensor:
        scaled = (distances - mean[:, None]) / spread[:, None]
        n = len(scaled)
        return torch.as_tensor(scaled.transpose(1, 2, 0).reshape(n, -1))

    n = len(victim.members) // 2
    x = torch.cat([rows(victim.members)[:n], rows(victim.strangers)[:n]])
    y = torch.cat([-torch.ones(n), torch.ones(n)]).to(x.dtype)
    generator = seeds.generator(seed, "released")
    network = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], 100), torch.nn.ReLU(), torch.nn.Linear(100, 1), torch.nn.Tanh()
    ).double()
    with torch.no_grad():
        for weight in network.parameters():
            inputs = x.shape[1] if weight.shape[0] == 100 else 100
            weight.uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(ITERATIONS):
        optimizer.zero_grad()
        (-(y * network(x)[:, 0]).mean()).backward()
        optimizer.step()
    p = {}
    for name, sides in (("victim", victim), ("suspect", suspect)):
        with torch.inference_mode():
            inside, outside = (network(rows(d)[n:])[:, 0].numpy() for d in (sides.members, sides.strangers))
        p[name] = float(stats.ttest_ind(outside, inside, equal_var=False, alternative="greater").pvalue)
    return p


def by_image(victim: Sides, suspect: Sides, seed: int) -> dict[str, float]:
    """The same with one row an image, of which half fit the regressor and the other half verify."""
    n = len(victim.members) // 2
    regressor = owners_regressor(victim.take(slice(0, n)), seed)
    return {
        name: p_value(regressor, sides.take(slice(n, None)))
        for name, sides in (("victim", victim), ("suspect", suspect))
    }


def owners_regressor(victim: Sides, seed: int) -> dict[str, NDArray[np.float64]]:
    """What the owner learns from the victim's distances."""
    flat = [side.reshape(len(side), -1) for side in (victim.members, victim.strangers)]
    return fit_regressor(
        flat[0], flat[1], rate=0.1, iterations=ITERATIONS, generator=seeds.generator(seed, "regressor")
    )


def p_value(regressor: dict[str, NDArray[np.float64]], sides: Sides) -> float:
    """Welch's, one-sided, each image once."""
    inside, outside = (scores(regressor, side.reshape(len(side), -1)) for side in (sides.members, sides.strangers))
    return welch_test(outside, inside, level=0.001).p_value
