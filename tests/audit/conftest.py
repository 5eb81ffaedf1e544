"""Measured thefts that were never measured: rows with fidelities that a test chooses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stealproof.audit.curves import Row
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import proportion

MakeRow = Callable[..., Row]


@pytest.fixture(scope="session")
def make_row() -> MakeRow:
    """A row with this fidelity on 1,000 held-out inputs, and on uniform ones where that is given."""

    def make(
        fidelity: float,
        *,
        attack: str = "knockoff_nets",
        access: str = "probabilities",
        budget: int = 100,
        seed: int = 0,
        queries: int | None = None,
        uniform: float | None = None,
    ) -> Row:
        estimates: dict[str, Estimate] = {"fidelity": proportion(round(1000 * fidelity), 1000)}
        if uniform is not None:
            estimates["uniform_fidelity"] = proportion(round(10_000 * uniform), 10_000)
        return Row(
            attack=attack,
            access=access,
            budget=budget,
            seed=seed,
            estimates=estimates,
            queries=budget if queries is None else queries,
        )

    return make
