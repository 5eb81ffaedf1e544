"""From a bend on a line to the hidden unit that causes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stealproof.attacks.extraction._relu_lines import BentVictim, Kink

ATTEMPTS = 3
"""Times that the finite differences are tried, each ten times closer to the bend."""
UNCERTAIN = 0.05
"""Largest error of a gradient that is accepted, as a part of its jump."""
PLACES = 3
"""Places elsewhere on a hyperplane at which a bend must be found before it is believed."""


def recover_unit(victim: BentVictim, kink: Kink, rng: np.random.Generator) -> bool:
    """Add the hidden unit behind ``kink`` to ``victim.units``; False when it can't be made out from here.

    Crossing the unit's hyperplane changes the gradient by ``u a^T``, of which the bend showed the part along the
    line. The rest comes from forward differences on both sides, 2 (d + 1) queries.
    """
    size = float(np.linalg.norm(kink.jump))
    towards = kink.jump / size
    for attempt in range(ATTEMPTS):
        away = kink.room / 2 * 10.0**-attempt
        step = max(0.05, 1.5 * victim.step) * away
        rounding = 5 * victim.noise / step
        if rounding > UNCERTAIN * size:
            return False  # too little room for the precision of the answers; other lines will meet the unit elsewhere
        difference = victim_gradient(victim, kink.x + away * kink.direction, step)
        difference -= victim_gradient(victim, kink.x - away * kink.direction, step)
        row = difference @ towards  # (d,): length of u times a
        along = float(row @ kink.direction)
        error = 10 * rounding + victim.faintest_jump
        spread = np.abs(difference - np.outer(row, towards)).max()
        if abs(along - size) > error or spread > error:
            continue  # another hyperplane runs between the points of a difference
        a = row / np.linalg.norm(row)
        u = kink.jump / float(a @ kink.direction)
        if _bends_elsewhere(victim, kink.x, a, u, rng):
            victim.units.add(a, -float(a @ kink.x), u)
            victim.blur = max(victim.blur, rounding)
            return True
    return False


def victim_gradient(victim: BentVictim, x: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Gradient ``(d, outputs)`` of what is not explained at ``x``, by forward differences that stay in the box."""
    inward = np.where(x > (victim.low + victim.high) / 2, -step, step)
    around = np.concatenate([x[None], x + np.diag(inward)])
    values = victim.rest(around)
    return np.asarray((values[1:] - values[0]) / (np.diagonal(around[1:]) - x)[:, None])


def _bends_elsewhere(
    victim: BentVictim, x: NDArray[np.float64], a: NDArray[np.float64], u: NDArray[np.float64], rng: np.random.Generator
) -> bool:
    """Whether the victim bends by ``u`` at far places of the hyperplane through ``x`` with normal ``a``."""
    widest = min(0.02, 0.2 * victim.step**0.5) * (victim.high - victim.low)
    for _ in range(PLACES):
        along = rng.standard_normal(len(a))
        along -= (along @ a) * a
        place = x + rng.uniform(0.3, 0.7) * victim.room(x, along) * along
        step = min(widest, victim.room(place, a) / 2, victim.room(place, -a) / 2)
        expected = step * np.abs(u).max()
        if expected < 200 * victim.noise:
            continue  # too near a corner to see the bend above the rounding
        before, here, after = victim.rest(np.stack([place - step * a, place, place + step * a]))
        if np.abs(before + after - 2 * here - step * u).max() <= 1e-5 * expected + 20 * victim.noise:
            return True
    return False
