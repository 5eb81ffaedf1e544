"""Model theft: how well a copy that was stolen through the API agrees with the model, within a query budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from stealproof.attacks.outcome import Examiner
from stealproof.measures.estimate import Estimate
from stealproof.risks._thief import Attack, served, stolen
from stealproof.roles.dataset import Dataset
from stealproof.roles.risk import Measurement, Risk
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class ModelTheft(Risk):
    """A thief asks inputs of ``data.pool`` and trains a copy on the answers, by one of the extraction attacks.

    One thief is a lower bound of the risk; ``stealproof audit`` tries several, at several budgets.
    """

    source = Source(
        authors="Tramèr, Zhang, Juels, Reiter, Ristenpart",
        title="Stealing Machine Learning Models via Prediction APIs",
        venue="USENIX Security",
        year=2016,
        url="https://www.usenix.org/conference/usenixsecurity16/technical-sessions/presentation/tramer",
    )
    departure = "the threat and its measure are the paper's, the thief is another's: knockoff_nets unless chosen"
    measures: ClassVar[Mapping[str, str]] = {
        "fidelity": "share of test rows on which copy and model give the same label",
        "accuracy": "share of test rows whose true label the copy gives",
        "victim_accuracy": "share of test rows whose true label the model gives",
        "relative_accuracy": "accuracy of the copy over accuracy of the model",
        "kl": "mean Kullback-Leibler divergence of the copy's answers from the model's, in nats",
        "tv": "mean total variation between the answers of both, 0 to 1",
        "queries": "inputs that the thief asked",
    }
    headline = "fidelity"

    attack: Attack = "knockoff_nets"
    """The extraction attack, with its default parameters."""
    budget: int = 1000
    """Most queries, at least 1; a thief who makes no inputs of its own stops with the pool."""

    def measure(self, model: Any, data: Dataset, *, seed: int = 0) -> Measurement:
        """Steal ``model``, a network, a trained model or an ``Oracle``, once, and examine the copy on ``data.test``.

        Raises:
            InputError: a budget below 1, or no model.
            InvalidData: no pool or no test rows, or rows that do not fit the model.
        """
        oracle = served(model, data, who=self.name())
        copy = stolen(oracle, data, attack=self.attack, budget=self.budget, seed=seed)
        examined = Examiner(oracle, data.test, uniform=0, seed=seed).examine(copy.model)
        found = {name: estimate for name, estimate in examined.items() if name in self.measures}
        asked = float(copy.queries)
        found["queries"] = Estimate(value=asked, low=asked, high=asked, n=1, method="count")
        return Measurement(estimates=found, details={"attack": self.attack, "cut_to_pool": copy.queries < self.budget})
