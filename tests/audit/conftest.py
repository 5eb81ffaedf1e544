"""Measured thefts that were never measured: rows with fidelities that a test chooses. And a model to audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stealproof.audit.curves import Row
from stealproof.audit.subject import Subject
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import proportion
from stealproof.oracle import Access
from stealproof.roles.dataset import Dataset
from stealproof.training.trained import Trained

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


@pytest.fixture
def network(digits: Dataset, digits_victim: Trained) -> Subject:
    """A perceptron on digits, of a family of the catalog."""

    def opened(access: Access | None) -> Any:
        return digits_victim.oracle(access)

    return Subject(
        name="mlp on digits",
        kind="a network",
        kinds=("network",),
        arguments={"data": "digits", "victim": "mlp", "victim_parameters": {"width": 32}, "victim_seed": 0},
        oracle=digits_victim.oracle(),
        open=opened,
        data=digits,
    )
