"""Independent: how much a model of one's own, trained on true labels, agrees with the victim without a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from stealproof import seeds
from stealproof.attacks.outcome import UNIFORM
from stealproof.errors import InputError
from stealproof.roles.experiment import Experiment
from stealproof.roles.risk import Measurement
from stealproof.studies.experiments.theft import Theft
from stealproof.studies.workshop import Workshop
from stealproof.training.fit import fit
from stealproof.training.suited import suited_network, suited_recipe

Table = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Independent(Experiment):
    """Train what a thief would train, on the pool's true labels; what a theft has above this, it owes to the victim."""

    measures: ClassVar[Mapping[str, str]] = {
        name: words for name, words in Theft.measures.items() if name not in ("queries", "cpu_seconds")
    }

    data: str = "digits"
    """As for ``theft``."""
    data_parameters: Table = field(default_factory=dict)
    """Of the data set."""
    victim: str = ""
    """As for ``theft``."""
    victim_parameters: Table = field(default_factory=dict)
    """Of the victim's family."""
    victim_recipe: Table = field(default_factory=dict)
    """As for ``theft``."""
    victim_seed: int | None = None
    """As for ``theft``."""
    target: str = ""
    """As for ``theft``."""
    target_options: Table = field(default_factory=dict)
    """As for ``theft``."""
    rows: int = 1000
    """How many rows of the pool, with their true labels; the counterpart of a theft's budget."""
    uniform: int = UNIFORM
    """Uniform inputs to measure agreement on; 0 for none."""
    examined: int = 0
    """As for ``theft``."""

    def check(self) -> None:
        """Refuse what ``theft`` would, and fewer rows than one."""
        if self.rows < 1:
            raise InputError(f"rows must be at least 1, got {self.rows}")
        self._theft().check()

    def run(self, *, seed: int, workshop: Workshop) -> Measurement:
        """Train once and compare."""
        data = workshop.dataset(self.data, self.data_parameters)
        if self.rows > len(data.pool):
            raise InputError(f"rows must be at most the pool's {len(data.pool)}, got {self.rows}")
        theft = self._theft()
        _, victim = theft.oracles(data, seed, workshop)
        chosen = data.pool.take(seeds.rng(seed, "independent").choice(len(data.pool), self.rows, replace=False))
        architecture = suited_network(data.domain.shape, data.classes)
        model = fit(
            architecture,
            chosen,
            classes=data.classes,
            recipe=suited_recipe(architecture, self.rows),
            seed=seeds.derive(seed, "independent"),
        )
        return Measurement(estimates=theft.examiner(data, victim, seed, workshop).examine(model))

    def _theft(self) -> Theft:
        return Theft(
            data=self.data,
            data_parameters=self.data_parameters,
            victim=self.victim,
            victim_parameters=self.victim_parameters,
            victim_recipe=self.victim_recipe,
            victim_seed=self.victim_seed,
            target=self.target,
            target_options=self.target_options,
            uniform=self.uniform,
            examined=self.examined,
        )
