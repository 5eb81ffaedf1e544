"""What a run of DP-SGD spends: Opacus' accountants, asked forward and backward."""

from __future__ import annotations

import contextlib
import functools
import math
import warnings
from collections.abc import Iterator
from typing import Literal

from stealproof.errors import InputError, MissingExtra

Accountant = Literal["prv", "rdp"]
ORDERS = tuple([1 + x / 10 for x in range(1, 100)] + list(range(12, 64)) + [2**k for k in range(6, 13)])
"""Orders of Rényi divergence that are tried: Opacus' own, and larger ones for much noise."""
SLACK = 0.01
"""How far below the target the epsilon found may lie, as a share of the target."""
MOST_NOISE = 1e5
"""Noise multiplier beyond which nothing is learned anyway."""


@functools.lru_cache(maxsize=256)
def epsilon_spent(noise: float, rate: float, steps: int, delta: float, accountant: Accountant = "prv") -> float:
    """The epsilon of ``steps`` steps, each of which takes every row with probability ``rate``.

    Neighbouring data sets differ by one row that is there or not.

    Args:
        noise: standard deviation of the noise over the clipping norm, above 0.
        rate: 0 to 1, both excluded and included.
        steps: at least 0.
        delta: between 0 and 1.
        accountant: ``prv`` (Gopi, Lee & Wutschitz 2021, https://arxiv.org/abs/2106.02848; an upper bound) or ``rdp``
            (Mironov, Talwar & Zhang 2019, https://arxiv.org/abs/1908.10530).

    Raises:
        MissingExtra: Opacus is not installed.
    """
    if steps == 0:
        return 0.0
    rough = _rdp(noise, rate, steps, delta)
    # At a rate of 1 the privacy loss is not subsampled, which the other accountant's formulas exclude; for a huge
    # epsilon its grid would not fit in memory, and nobody needs the decimals.
    if accountant == "rdp" or rate >= 1 or rough > 100:
        return rough
    from opacus.accountants import PRVAccountant

    prv = PRVAccountant()
    prv.history = [(noise, rate, steps)]
    # Two bounds hold, so the smaller does.
    with _any_order():
        return min(rough, float(prv.get_epsilon(delta, eps_error=min(0.01, 0.01 * rough))))


@functools.lru_cache(maxsize=256)
def noise_for(epsilon: float, delta: float, rate: float, steps: int, accountant: Accountant = "prv") -> float:
    """The noise multiplier with which ``steps`` steps spend at most ``epsilon``, and hardly less.

    Raises:
        InputError: no reasonable noise is enough.
        MissingExtra: Opacus is not installed.
    """
    low, high = _bracket(epsilon, delta, rate, steps, "rdp")
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if epsilon_spent(middle, rate, steps, delta, "rdp") <= epsilon else (middle, high)
    if accountant == "rdp":
        return high
    # Tighter accounting needs less noise. Each look is slow, hence regula falsi on the logarithms, not bisection.
    low = high / 1.3
    points = [(math.log(noise), math.log(epsilon_spent(noise, rate, steps, delta, "prv"))) for noise in (low, high)]
    aim = math.log(epsilon * (1 - SLACK / 2))
    for _ in range(8):
        (x0, y0), (x1, y1) = points
        if epsilon * (1 - SLACK) <= math.exp(y1) <= epsilon or y0 <= y1:
            break
        x = x0 + (aim - y0) * (x1 - x0) / (y1 - y0)
        y = math.log(epsilon_spent(math.exp(x), rate, steps, delta, "prv"))
        points = [(x, y), (x1, y1)] if math.exp(y) > epsilon else [(x0, y0), (x, y)]
    return math.exp(points[1][0])


def _bracket(epsilon: float, delta: float, rate: float, steps: int, accountant: Accountant) -> tuple[float, float]:
    low, high = 0.1, 1.0
    while epsilon_spent(high, rate, steps, delta, accountant) > epsilon:
        low, high = high, 2 * high
        if high > MOST_NOISE:
            raise InputError(
                f"no noise below {MOST_NOISE:g} times the clipping norm gives epsilon {epsilon:g} at delta {delta:g} in"
                f" {steps} steps; ask for a larger epsilon, or take fewer epochs or smaller batches"
            )
    while low > 1e-3 and epsilon_spent(low, rate, steps, delta, accountant) <= epsilon:
        low, high = low / 2, low
    return low, high


def _rdp(noise: float, rate: float, steps: int, delta: float) -> float:
    try:
        from opacus.accountants.analysis import rdp
    except ImportError as error:
        raise MissingExtra.named("opacus", "privacy") from error
    divergences = rdp.compute_rdp(q=rate, noise_multiplier=noise, steps=steps, orders=ORDERS)
    with _any_order():
        epsilon, _ = rdp.get_privacy_spent(orders=ORDERS, rdp=divergences, delta=delta)
    return float(epsilon)


@contextlib.contextmanager
def _any_order() -> Iterator[None]:
    """Opacus warns when the best order is the last one tried: the bound holds, it only isn't the tightest."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order is the")
        yield
