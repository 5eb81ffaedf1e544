"""Theft: one attack steals one victim under one budget; how close does the surrogate come."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from stealproof import catalog, seeds
from stealproof.attacks.outcome import UNIFORM, Examiner
from stealproof.errors import InputError
from stealproof.inputs.oracle import narrow, open_oracle, parse_access
from stealproof.measures.estimate import Estimate
from stealproof.oracle import Oracle
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset
from stealproof.roles.experiment import Experiment
from stealproof.roles.extraction import Extraction, Surrogate
from stealproof.roles.risk import Measurement
from stealproof.studies.study import concerning, thawed
from stealproof.studies.workshop import Workshop, adapted
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_network, suited_recipe

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stolen:
    """A finished theft, for whoever examines it."""

    surrogate: Surrogate
    data: Dataset
    victim: Oracle
    """The victim with all that it gives and a budget of its own, for the examiner."""


@dataclass(frozen=True, kw_only=True)
class Theft(Experiment):
    """Train (or open) a victim, steal it, examine the surrogate on held-out and on uniform inputs."""

    measures: ClassVar[Mapping[str, str]] = {
        "accuracy": "share of held-out labels that the surrogate predicts; 1 is best for the thief",
        "victim_accuracy": "the same of the victim",
        "relative_accuracy": "accuracy over victim_accuracy; 1 is as good as the victim",
        "fidelity": "share of held-out inputs on which surrogate and victim agree; 1 is always",
        "kl": "mean KL(victim || surrogate) on held-out inputs, nats; 0 is equal",
        "tv": "mean total variation between their probabilities on held-out inputs; 0 is equal, 1 is disjoint",
        "tv_max": "the largest total variation on held-out inputs",
        "uniform_fidelity": "fidelity on uniform inputs",
        "uniform_kl": "kl on uniform inputs",
        "uniform_tv": "tv on uniform inputs",
        "uniform_tv_max": "tv_max on uniform inputs",
        "queries": "inputs that were sent to the victim",
        "cpu_seconds": "processor time of the attack, a local victim's answers included",
    }

    data: str = "digits"
    """The victim's data set: a catalog name or what else ``stealproof train --data`` takes."""
    data_parameters: Table = field(default_factory=dict)
    """Of the data set."""
    victim: str = ""
    """Catalog name of the victim's family; empty for the network that suits the data."""
    victim_parameters: Table = field(default_factory=dict)
    """Of the victim's family."""
    victim_recipe: Table = field(default_factory=dict)
    """Fields that replace those of the victim's measured default recipe."""
    victim_seed: int | None = None
    """Seed of the victim's training; None for the cell's own seed, so that intervals cover victims, too."""
    target: str = ""
    """Instead of a victim that is trained: a model file, URL or function of your own."""
    target_options: Table = field(default_factory=dict)
    """Of a URL or ONNX file: ``softmax``, ``batch`` and what else its oracle takes. A token for a URL comes from the
    environment variable STEALPROOF_TOKEN, so that no card and no cache holds it."""
    access: str = "probabilities"
    """What the thief sees: ``labels``, ``top-3``, ``probabilities``, ``probabilities:2`` (decimals), ``logits``."""
    attack: str = "knockoff_nets"
    """Catalog name of the extraction attack."""
    attack_parameters: Table = field(default_factory=dict)
    """Of the attack."""
    budget: int = 1000
    """Most queries that the thief may send."""
    pool: str = "own"
    """The thief's inputs: ``own`` (the victim data's pool part), ``noise`` (uniform), ``none``, or a data set."""
    pool_parameters: Table = field(default_factory=dict)
    """Of a foreign pool's data set, for instance to bring it into the victim's shape."""
    architecture: str = ""
    """Catalog name of the surrogate's family; empty for the attack's own default."""
    architecture_parameters: Table = field(default_factory=dict)
    """Of the surrogate's family."""
    recipe: Table = field(default_factory=dict)
    """Fields that replace those of the surrogate's measured default recipe."""
    uniform: int = UNIFORM
    """Uniform inputs to measure fidelity on; 0 for none."""
    examined: int = 0
    """Most held-out inputs to examine on, where each costs something; 0 for all."""

    def check(self) -> None:
        """Refuse unknown names, parameters and kinds of answers."""
        for name, role, parameters in self._named():
            with concerning(name):
                catalog.load(getattr(self, name), role).make(thawed(parameters))
        with concerning("access"):
            parse_access(self.access)
        with concerning("recipe"):
            adapted(Recipe(), self.recipe)
        with concerning("victim_recipe"):
            adapted(Recipe(), self.victim_recipe)
        if self.budget < 1:
            raise InputError(f"budget must be at least 1 query, got {self.budget}")
        for name in ("uniform", "examined"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} must be at least 0 inputs, got {getattr(self, name)}")
        if self.target and self.victim:
            raise InputError(f"expected a victim or a target, got both: {self.victim!r} and {self.target!r}")

    def run(self, *, seed: int, workshop: Workshop) -> Measurement:
        """Steal once and examine the surrogate."""
        stolen = self.steal(seed=seed, workshop=workshop)
        examiner = self.examiner(stolen.data, stolen.victim, seed, workshop)
        estimates = examiner.examine(stolen.surrogate.model)
        estimates["queries"] = exactly(stolen.surrogate.queries, "count")
        estimates["cpu_seconds"] = exactly(stolen.surrogate.cpu_seconds, "measured once")
        details = {"notes": stolen.surrogate.notes, "seconds": stolen.surrogate.seconds}
        return Measurement(estimates=estimates, details=details)

    def examiner(self, data: Dataset, victim: Oracle, seed: int, workshop: Workshop) -> Examiner:
        """One that has asked ``victim`` already; all cells of this process with the same victim and seed share it."""

        def make() -> Examiner:
            test = data.parts.get("test")
            if test is not None and 0 < self.examined < len(test):
                test = test.take(seeds.rng(seed, "examined rows").permutation(len(test))[: self.examined])
            return Examiner(victim, test, uniform=self.uniform, seed=seed)

        names = ("data", "data_parameters", "victim", "victim_parameters", "victim_recipe", "target", "target_options")
        description = {name: getattr(self, name) for name in (*names, "victim_seed", "uniform", "examined")}
        return workshop.once({"examiner": description, "seed": seed}, make)

    def steal(self, *, seed: int, workshop: Workshop) -> Stolen:
        """Steal once."""
        data = workshop.dataset(self.data, self.data_parameters)
        open_to_thief, open_to_examiner = self.oracles(data, seed, workshop)
        attack: Extraction = catalog.make(self.attack, "extraction", **thawed(self.attack_parameters))
        pool, labels = self._pool(data, open_to_thief, seed, workshop)
        architecture = self._architecture()
        surrogate = attack.steal(
            open_to_thief,
            pool,
            budget=self.budget,
            seed=seed,
            pool_labels=labels,
            architecture=architecture,
            recipe=self._recipe(architecture, data),
        )
        return Stolen(surrogate=surrogate, data=data, victim=open_to_examiner)

    def _named(self) -> list[tuple[str, str, Table]]:
        """Field, role and parameters of every system that a field names; own data and models are opened later."""
        named: list[tuple[str, str, Table]] = [("attack", "extraction", self.attack_parameters)]
        if self.victim:
            named.append(("victim", "model", self.victim_parameters))
        if self.architecture:
            named.append(("architecture", "model", self.architecture_parameters))
        if self.data.isidentifier():
            named.append(("data", "dataset", self.data_parameters))
        if self.pool.isidentifier() and self.pool not in ("own", "noise", "none"):
            named.append(("pool", "dataset", self.pool_parameters))
        return named

    def oracles(self, data: Dataset, seed: int, workshop: Workshop) -> tuple[Oracle, Oracle]:
        """The victim as the thief sees it, and with all that it gives, as an examiner does."""
        access = parse_access(self.access)
        if self.target:
            options = dict(self.target_options)
            token = os.environ.get("STEALPROOF_TOKEN")
            if token and self.target.startswith(("http://", "https://")):
                options["token"] = token
            thief, examiner = (open_oracle(self.target, data=data, access=a, **options) for a in (access, None))
            return thief, examiner
        family = self.victim or suited_network(data.domain.shape, data.classes).name()
        victim = workshop.victim(
            family,
            self.data,
            model_parameters=self.victim_parameters,
            data_parameters=self.data_parameters,
            recipe=self.victim_recipe,
            seed=seed if self.victim_seed is None else self.victim_seed,
        )
        return narrow(victim, access), victim.oracle()

    def _pool(self, data: Dataset, oracle: Oracle, seed: int, workshop: Workshop) -> tuple[Any, Any]:
        """The thief's inputs, and their labels where they come from a foreign data set."""
        if self.pool == "none":
            return None, None
        if self.pool == "own":
            return data.pool.x, None
        if self.pool == "noise":
            return oracle.domain.uniform(self.budget, seeds.rng(seed, "noise pool")).astype("float32"), None
        foreign = workshop.pool(self.pool, data, self.pool_parameters)
        return foreign.x, foreign.labels

    def _architecture(self) -> NetworkFamily | None:
        if not self.architecture:
            return None
        made: NetworkFamily = catalog.make(self.architecture, "model", **thawed(self.architecture_parameters))
        return made

    def _recipe(self, architecture: NetworkFamily | None, data: Dataset) -> Recipe | None:
        """The thief's recipe where some of it is given, else None: then the attack knows how many rows it has."""
        if not self.recipe:
            return None
        family = architecture or suited_network(data.domain.shape, data.classes)
        return adapted(suited_recipe(family, self.budget), self.recipe)


def exactly(value: float, method: str) -> Estimate:
    """A number that was counted or measured once, as an estimate without a width."""
    return Estimate(value=float(value), low=float(value), high=float(value), n=1, method=method)
