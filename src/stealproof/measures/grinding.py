"""What a p-value is worth when it is the best of several attempts."""

from __future__ import annotations

from stealproof.errors import InputError


def grinding_correction(p_value: float, attempts: int) -> float:
    """min(1, ``p_value`` * ``attempts``): a p-value again for the smallest of so many, however they depend.

    This is Bonferroni's inequality. Whoever draws several beacons and shows the one under which a suspect looks worst
    has made that many attempts at least; the correction takes back what that gained.

    Args:
        p_value: as computed for the attempt that was shown, 0 to 1.
        attempts: all that were made, at least 1.
    """
    if not 0 <= p_value <= 1:
        raise InputError(f"a p-value must lie between 0 and 1, got {p_value}")
    if attempts < 1:
        raise InputError(f"expected at least 1 attempt, the one that was shown, got {attempts}")
    return min(1.0, p_value * attempts)
