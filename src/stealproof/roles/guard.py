"""Guard: a defense at the API. The same object runs in a study and in the gateway."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from stealproof.oracle import Access, Answers
from stealproof.system import Stage, System


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A guard's word that a client gets no answer."""

    reason: str
    retry_after: float | None = None
    """Seconds after which the client may try again; None for never."""


@dataclass(frozen=True, kw_only=True)
class Guard(System):
    """Base of every defense at the API."""

    stage = Stage.ANSWERS

    def narrows(self, access: Access) -> Access:
        """What clients may see behind this guard when ``access`` is seen in front of it."""
        return access

    @abstractmethod
    def answer(self, client: str, queries: NDArray[Any], answers: Answers) -> Answers | Refusal:
        """What ``client`` gets for ``queries`` ``(n, *shape)`` instead of ``answers``."""
