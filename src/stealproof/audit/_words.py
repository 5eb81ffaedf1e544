"""How numbers read in sentences."""

from __future__ import annotations

from stealproof.measures.estimate import Estimate


def percent(estimate: Estimate) -> str:
    """``96.2% (95% interval 93.9 to 97.8)``."""
    level, low, high = 100 * estimate.level, 100 * estimate.low, 100 * estimate.high
    return f"{100 * estimate.value:.1f}% ({level:.0f}% interval {low:.1f} to {high:.1f})"


def in_points(estimate: Estimate) -> str:
    """A difference of fractions in points: ``+2.1 points (+0.9 to +3.3)``."""
    return f"{100 * estimate.value:+.1f} points ({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})"


def money(amount: float) -> str:
    """An amount to the cent, or to two significant digits below that."""
    return f"{amount:,.2f}" if amount >= 0.01 or amount == 0 else f"{amount:.2g}"


def queries(count: float) -> str:
    """A number of queries: ``1,200 queries``."""
    return f"{count:,.0f} {'query' if round(count) == 1 else 'queries'}"


def in_words(name: str) -> str:
    """A catalog name as people read it: ``knockoff nets``."""
    return name.replace("_", " ")
