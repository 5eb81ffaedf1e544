"""Parties of a dispute: the owner's model and claim, suspects of every kind, control models; each is made once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from stealproof import catalog, seeds
from stealproof.claims import Claim
from stealproof.errors import InputError, StealproofError
from stealproof.inputs.claim import open_claim, save_claim
from stealproof.inputs.oracle import narrow, parse_access
from stealproof.inputs.systems import Named
from stealproof.oracle import Oracle
from stealproof.oracles.guarded import GuardedOracle
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part
from stealproof.roles.guard import Guard
from stealproof.roles.ownership import Fingerprint, Ownership, Watermark
from stealproof.roles.removal import wash
from stealproof.roles.training_defense import TrainingDefense
from stealproof.roles.trial import Calibration
from stealproof.studies.population import Stock, population
from stealproof.studies.sources import key_of
from stealproof.studies.study import thawed
from stealproof.studies.workshop import Workshop, adapted
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_network, suited_recipe
from stealproof.training.trained import Trained, train

Table = Mapping[str, Any]
MODULE = "stealproof.studies.parties"
ROOTS = ("stealproof.training.trained", MODULE)
INDEPENDENT = {
    "independent_other_seed": "the owner's data and family, another seed",
    "independent_other_half": "the owner's family on the other part of the same distribution",
    "independent_other_architecture": "another family on the other part of the same distribution",
    "independent_other_data": "the owner's family on another data set of the same shape",
}
"""Suspects that never saw the owner's model, by name."""
SHIFT = 0.5
"""Share of the test rows that the owner keeps for fingerprints; models are examined on the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all parties of a dispute share."""

    data: str
    data_parameters: Table = field(default_factory=dict)
    owner_rows: int = 0
    """How many of the owner's rows are trained on; 0 for all."""
    family: str = ""
    """Of every network, unless a suspect chooses another one; empty for the one that suits the data."""
    family_parameters: Table = field(default_factory=dict)
    recipe: Table = field(default_factory=dict)
    """Fields that replace those of the measured default recipe, for the owner's model."""
    other_family: str = "mlp"
    """Of independent models of another architecture, and of half of the control models."""
    other_data: str = ""
    """Of independent models on other data; same shape and number of classes."""
    other_data_parameters: Table = field(default_factory=dict)
    suspect_rows: int = 5000
    """Rows of the pool that a suspect washes with."""
    control_share: float = 0.75
    """Of the pool, that each control model is trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theft:
    """How a thief at the API steals, where one does."""

    attack: str = "knockoff_nets"
    attack_parameters: Table = field(default_factory=dict)
    budget: int = 10000
    access: str = "probabilities"
    recipe: Table = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """An ownership scheme as a study names it."""

    name: str
    parameters: Table = field(default_factory=dict)
    at: Literal["", "training", "answers"] = ""
    """Where a scheme marks that could mark at both; empty for in training, if it can."""

    def make(self) -> Ownership:
        """A fresh instance."""
        made: Ownership = catalog.make(self.name, "ownership", **thawed(self.parameters))
        return made

    def marks_training(self) -> bool:
        """Whether the owner's model is trained with the scheme."""
        return self.at != "answers" and issubclass(catalog.load(self.name, "ownership"), TrainingDefense)

    def marks_answers(self) -> bool:
        """Whether the owner's API answers through the scheme."""
        return not self.marks_training() and issubclass(catalog.load(self.name, "ownership"), Guard)

    def check(self) -> None:
        """Refuse what no dispute could be about."""
        made = self.make()
        if self.at == "training" and not isinstance(made, TrainingDefense):
            raise InputError(f"{self.name} does not mark in training; drop at")
        if self.at == "answers" and not isinstance(made, Guard):
            raise InputError(f"{self.name} does not mark answers; drop at")


class Parties:
    """Everybody in the disputes of one setting and seed. Models and claims are kept in the workshop's store."""

    def __init__(self, setting: Setting, workshop: Workshop, *, seed: int) -> None:
        """Nothing is trained yet."""
        self.setting = setting
        self.workshop = workshop
        self.seed = seed
        whole = workshop.dataset(setting.data, setting.data_parameters)
        kept = round(len(whole.test) * SHIFT)
        self.held_out = whole.test.take(slice(kept, None))
        """What models are examined on."""
        rows = slice(0, setting.owner_rows) if setting.owner_rows else slice(None)
        holdout = whole.test.take(slice(0, kept))
        self.owner_data = dataclasses.replace(
            whole,
            parts={
                "train": whole.train.take(rows),
                "pool": holdout.take(slice(0, kept // 2)),
                "test": holdout.take(slice(kept // 2, None)),
            },
        )
        """What the owner holds: training rows, and rows that nobody trains on (``pool`` and ``test``)."""
        self.pool: Part = whole.pool
        """What thieves and suspects hold."""
        self.family: NetworkFamily = (
            catalog.make(setting.family, "model", **thawed(setting.family_parameters))
            if setting.family
            else suited_network(whole.domain.shape, whole.classes)
        )

    def owned(self, scheme: Scheme | None) -> tuple[Trained, Claim | None]:
        """The owner's model, marked in training where ``scheme`` does that, and the claim to it.

        The claim is None where a scheme marks answers: it is made when somebody has asked.
        """
        marks = scheme is not None and scheme.marks_training()
        description = self._described("owned") | {"scheme": dataclasses.asdict(scheme) if scheme and marks else None}
        secrets: list[Claim] = []

        def make() -> Trained:
            made = scheme.make() if scheme is not None and marks else None
            recipe = adapted(suited_recipe(self.family, len(self.owner_data.train)), self.setting.recipe)
            protections = [made] if made is not None else []
            trained = train(self.family, self.owner_data, recipe=recipe, protections=protections, seed=self.seed)
            if isinstance(made, Watermark):
                secrets.append(made.claim(trained.model))
            return trained

        if marks:
            return self._kept(description, make, secrets)
        trained, _ = self._kept(description, make, secrets, claimed=False)
        if scheme is None or scheme.marks_answers():
            return trained, None
        return trained, self._fingerprint(scheme, trained, description)

    def stolen(self, scheme: Scheme | None, theft: Theft) -> tuple[Trained, Claim | None]:
        """A surrogate of the owner's model, stolen through the API, and the claim of a scheme that marks answers."""
        guards = scheme is not None and scheme.marks_answers()
        marks = scheme is not None and (guards or scheme.marks_training())
        description = self._described("stolen") | {
            "scheme": dataclasses.asdict(scheme) if scheme and marks else None,
            "theft": dataclasses.asdict(theft),
        }
        secrets: list[Claim] = []

        def make() -> Trained:
            owned, _ = self.owned(scheme)
            oracle: Oracle = narrow(owned, None)
            made: Any = scheme.make() if scheme is not None and guards else None
            if made is not None:
                made.use_key(seeds.rng(self.seed, "owner", "key").bytes(32).hex())
                oracle = GuardedOracle(oracle, [made], client="thief")
            oracle = narrow(oracle, parse_access(theft.access))
            attack = catalog.make(theft.attack, "extraction", **thawed(theft.attack_parameters))
            recipe = adapted(suited_recipe(self.family, theft.budget), theft.recipe) if theft.recipe else None
            surrogate = attack.steal(
                oracle, self.pool.x, budget=theft.budget, seed=self.seed, architecture=self.family, recipe=recipe
            )
            if made is not None:
                secrets.append(made.claim(owned.model))
            return self._trained(surrogate.model, {"attack": attack.describe()})

        return self._kept(description, make, secrets, claimed=guards)

    def washed(
        self, scheme: Scheme | None, removals: Sequence[Named], theft: Theft | None
    ) -> tuple[Trained, Claim | None]:
        """The owner's model (or, with ``theft``, a surrogate of it) after ``removals``, in order."""
        marks = scheme is not None and (scheme.marks_training() or scheme.marks_answers())
        description = self._described("washed") | {
            "scheme": dataclasses.asdict(scheme) if scheme and marks else None,
            "removals": [list(removal) for removal in removals],
            "theft": None if theft is None else dataclasses.asdict(theft),
        }
        before, claim = self.owned(scheme) if theft is None else self.stolen(scheme, theft)

        def make() -> Trained:
            rows = seeds.rng(self.seed, "suspect's rows").permutation(len(self.pool))[: self.setting.suspect_rows]
            model = wash(
                [catalog.make(name, "removal", **thawed(given)) for name, given in removals],
                before.model,
                self.pool.take(torch.as_tensor(rows)),
                domain=before.domain,
                classes=before.classes,
                seed=self.seed,
            )
            return self._trained(model, {"removals": [name for name, _ in removals]})

        washed, _ = self._kept(description, make, [], claimed=False)
        return washed, claim

    def independent(self, name: str) -> Trained:
        """A model whose maker never saw the owner's; one of ``INDEPENDENT``."""
        description = self._described(name)

        def make() -> Trained:
            seed = seeds.derive(self.seed, "independent")
            if name == "independent_other_data":
                if not self.setting.other_data:
                    raise InputError("independent_other_data needs other_data; name a data set of the same shape")
                other = self.workshop.dataset(self.setting.other_data, self.setting.other_data_parameters)
                if (other.domain.shape, other.classes) != (self.owner_data.domain.shape, self.owner_data.classes):
                    raise InputError(f"{other.name} has another shape or other classes than {self.owner_data.name}")
                return train(self.family, other, seed=seed)
            family = self.family
            if name == "independent_other_architecture":
                family = catalog.make(self.setting.other_family, "model")
            part = self.owner_data.train if name == "independent_other_seed" else self.pool
            return self._trained(self._fitted(family, part, seed), {"independent": name})

        trained, _ = self._kept(description, make, [], claimed=False)
        return trained

    def population(self, name: str, count: int, *, alike: bool = False, augment: bool = False) -> list[Trained]:
        """``count`` independent models, all of the owner's family if ``alike``; see ``studies/population.py``."""
        others = () if alike else (catalog.make(self.setting.other_family, "model"),)
        stock = Stock(name=name, families=(self.family, *others), share=self.setting.control_share, augment=augment)
        return population(stock, count, data=self.owner_data, pool=self.pool, workshop=self.workshop)

    def calibration(self, scheme: Scheme, claim: Claim, count: int, *, level: float) -> Calibration | None:
        """What the scheme finds on ``count`` control models; every suspect of the same claim is held against it."""
        if count == 0:
            return None
        key = self._key(
            self._described("calibration")
            | {"scheme": dataclasses.asdict(scheme), "model": claim.model_digest, "count": count, "level": level}
        )
        store = self.workshop.store
        with store.lock("calibrations", key):
            found = store.read("calibrations", key)
            if found is None:
                controls = self.population("control", count)
                calibration = scheme.make().calibrate(
                    claim,
                    [control.oracle() for control in controls],
                    models=[control.model for control in controls],
                    level=level,
                    seed=self.seed,
                    description=f"{count} control models trained on other rows",
                )
                found = dataclasses.asdict(calibration)
                store.write("calibrations", key, found)
        return Calibration(
            statistics=tuple(found["statistics"]), p_values=tuple(found["p_values"]), description=found["description"]
        )

    def _fitted(self, family: NetworkFamily, part: Part, seed: int) -> torch.nn.Module:
        changes = self.setting.recipe if family == self.family else {}
        recipe: Recipe = adapted(suited_recipe(family, len(part)), changes)
        return fit(
            family, part, classes=self.owner_data.classes, domain=self.owner_data.domain, recipe=recipe, seed=seed
        )

    def _trained(self, model: torch.nn.Module, card: Mapping[str, Any]) -> Trained:
        return Trained(model=model, domain=self.owner_data.domain, classes=self.owner_data.classes, card=card)

    def _fingerprint(self, scheme: Scheme, trained: Trained, owned: Table) -> Claim:
        """The claim of a scheme that leaves the model as it is."""
        key = self._key({"claim": dataclasses.asdict(scheme), "owned": owned})
        path = self.workshop.store.path("claims", key, ".claim")
        with self.workshop.store.lock("claims", key):
            if path.exists():
                try:
                    return open_claim(path)
                except StealproofError:
                    path.unlink()
            made = scheme.make()
            assert isinstance(made, Fingerprint)
            claim = made.enroll(trained.model, self.owner_data, seed=self.seed)
            save_claim(claim, path)
            return claim

    def _kept(
        self, description: Table, make: Any, secrets: list[Claim], *, claimed: bool = True
    ) -> tuple[Trained, Claim | None]:
        """What ``make`` gives, from the store when it is there, with the claim that it appends to ``secrets``."""
        key = self._key(description)
        path = self.workshop.store.path("claims", key, ".claim")
        with self.workshop.store.lock("victims", key):
            found = self.workshop.stored(key)
            if found is not None and (not claimed or path.exists()):
                return found, open_claim(path) if claimed else None
            trained: Trained = make()
            if claimed:
                save_claim(secrets[0], path)
            self.workshop.keep(key, trained)
            return trained, secrets[0] if claimed else None

    def _described(self, party: str) -> dict[str, Any]:
        return {"party": party, "seed": self.seed, "setting": dataclasses.asdict(self.setting)}

    @staticmethod
    def _key(description: Table) -> str:
        return key_of("party", description, roots=ROOTS)
