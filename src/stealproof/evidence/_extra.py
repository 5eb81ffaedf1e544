"""What the extra ``court`` brings: one sentence when it is missing, whichever module misses it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from stealproof.errors import MissingExtra


@contextlib.contextmanager
def from_court(package: str) -> Iterator[None]:
    """Imports inside may need ``package`` of the extra ``court``.

    Raises:
        MissingExtra: it is not installed; the sentence says how to install it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra.named(package, "court") from error
