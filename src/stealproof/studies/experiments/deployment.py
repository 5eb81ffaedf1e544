"""Deployment: one network trained with several protections at once, and what each of them is still worth."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from stealproof import catalog
from stealproof.claims import Claim, Decision, Verdict
from stealproof.errors import InputError
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import YES_OR_NO, proportion
from stealproof.oracle import Access, Answer
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.experiment import Experiment
from stealproof.roles.ownership import Ownership
from stealproof.roles.risk import Measurement, Risk
from stealproof.roles.training_defense import TrainingDefense
from stealproof.studies.experiments._deployed import Owner, in_order, parse_risk
from stealproof.studies.experiments.theft import exactly
from stealproof.studies.study import concerning, thawed
from stealproof.studies.workshop import Workshop, adapted
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained

Table = Mapping[str, Any]
OF_A_SCHEME = {
    "effect": "the scheme's own signal in its own units: share of matches, difference of losses or scores",
    "log10_p": "common logarithm of the p-value; smaller is stronger evidence",
    "detected": "share of verdicts that say owned",
}


class _Measures(Mapping[str, str]):
    """The estimates of every scheme and risk in the catalog; looked up when asked for, since that imports them."""

    def _all(self) -> dict[str, str]:
        found = {"accuracy": "share of held-out labels that the network predicts"}
        for name in catalog.names("ownership"):
            found |= {f"{name}.{estimate}": words for estimate, words in OF_A_SCHEME.items()}
        for name in catalog.names("risk"):
            risk = catalog.load(name, "risk")
            assert issubclass(risk, Risk)
            found |= {f"{name}.{estimate}": words for estimate, words in risk.measures.items()}
        for name in catalog.names("training_defense"):
            defense = catalog.load(name, "training_defense")
            assert issubclass(defense, TrainingDefense)
            found |= {f"{name}.{figure}": words for figure, words in defense.spends.items()}
        return found

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


@dataclass(frozen=True, kw_only=True)
class Deployment(Experiment):
    """Train one network with all the protections, and measure each of them, the accuracy and the risks."""

    measures: ClassVar[Mapping[str, str]] = _Measures()

    data: str = "digits"
    """The owner's data set: a catalog name or what else ``stealproof train --data`` takes."""
    data_parameters: Table = field(default_factory=dict)
    """Of the data set."""
    owner_rows: int = 0
    """How many of the owner's rows are trained on, drawn by each seed; 0 for all."""
    family: str = ""
    """Catalog name of the network's family; empty for the one that suits the data."""
    family_parameters: Table = field(default_factory=dict)
    """Of the family."""
    recipe: Table = field(default_factory=dict)
    """Fields that replace those of the recipe that suits family, rows and protections."""
    protections: tuple[str, ...] = ()
    """Training defenses and ownership schemes, each ``name`` or ``name(key=value, ...)``, in any order."""
    risks: tuple[str, ...] = ()
    """What to measure on the network, written likewise."""
    level: float = 0.01
    """False-accusation rate that the judge of a claim allows."""

    def check(self) -> None:
        """Refuse unknown names, parameters and protections that can't be trained together."""
        with concerning("protections"):
            in_order(self.protections)
        with concerning("risks"):
            names = [parse_risk(text)[0] for text in self.risks]
            for name in names:
                if names.count(name) > 1:
                    raise InputError(f"{name} is named {names.count(name)} times; measure each risk once")
        with concerning("recipe"):
            adapted(Recipe(), self.recipe)
        if self.family:
            with concerning("family"):
                family = catalog.load(self.family, "model").make(thawed(self.family_parameters))
                if not isinstance(family, NetworkFamily):
                    raise InputError(f"protections meet in the training of a network, and {self.family} is none")
        if self.owner_rows < 0:
            raise InputError(f"owner_rows must be at least 0, where 0 means all, got {self.owner_rows}")
        if not 0 < self.level < 1:
            raise InputError(f"level must lie between 0 and 1, got {self.level}")

    def run(self, *, seed: int, workshop: Workshop) -> Measurement:
        """Train or find the network, then examine it."""
        owner = Owner(
            workshop,
            seed=seed,
            data=self.data,
            data_parameters=self.data_parameters,
            owner_rows=self.owner_rows,
            family=self.family,
            family_parameters=self.family_parameters,
            recipe=self.recipe,
        )
        protections = in_order(self.protections)
        trained, claims = owner.network(protections)
        estimates: dict[str, Estimate] = {"accuracy": trained.accuracy(owner.data.test)}
        reasons: dict[str, list[str]] = {}
        for protection in protections:
            made = protection.make()
            if isinstance(made, Ownership):
                claim = claims.get(protection.name) or owner.fingerprint(protection, trained, protections)
                verdict = self._verdict(made, claim, trained, seed)
                estimates |= {f"{protection.name}.{name}": found for name, found in _of(verdict).items()}
                reasons[protection.name] = list(verdict.reasons)
        spent = {one["name"]: one.get("spent", {}) for one in trained.card["protections"]}
        for protection in protections:
            made = protection.make()
            figures = made.spends if isinstance(made, TrainingDefense) else ()
            estimates |= {
                f"{protection.name}.{figure}": exactly(spent[protection.name][figure], "accounted, not measured")
                for figure in figures
            }
        for text in self.risks:
            name, _ = parse_risk(text)
            found = owner.risk(text, trained, protections)
            estimates |= {f"{name}.{estimate}": value for estimate, value in found.items()}
        return Measurement(estimates=estimates, details={"reasons": reasons})

    def _verdict(self, scheme: Ownership, claim: Claim, trained: Trained, seed: int) -> Verdict:
        """Of a judge to whom the deployed network gives probabilities, and itself where the scheme opens it."""
        suspect = trained.oracle(Access(answer=Answer.PROBABILITIES))
        return scheme.verify(claim, suspect, level=self.level, seed=seed, model=trained.model)


def _of(verdict: Verdict) -> dict[str, Estimate]:
    smallest = max(verdict.p_value, float(np.finfo(np.float64).tiny))
    detected = proportion(int(verdict.decision is Decision.OWNED), 1)
    found = {
        "log10_p": exactly(math.log10(smallest), "of one verdict"),
        "detected": dataclasses.replace(detected, method=YES_OR_NO),
    }
    if verdict.effect is not None:
        found["effect"] = exactly(verdict.effect, "of one verdict")
    return found
