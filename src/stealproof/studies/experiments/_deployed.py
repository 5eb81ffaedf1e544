"""What an owner deploys: one network trained with several protections, the claims to it, and what was measured on it.

Everything is kept in the workshop's store by all that it follows from, so that combinations which differ only in what
is enrolled or measured afterwards share their training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from stealproof import catalog, seeds
from stealproof.claims import Claim
from stealproof.errors import InputError, StealproofError
from stealproof.inputs.claim import open_claim, save_claim
from stealproof.inputs.systems import Named, parse_systems
from stealproof.measures.estimate import Estimate
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.ownership import Fingerprint, Ownership, Watermark
from stealproof.roles.training_defense import TrainingDefense
from stealproof.studies.sources import key_of
from stealproof.studies.study import thawed
from stealproof.studies.workshop import Workshop, adapted
from stealproof.training.composed import in_training_order
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_network, suited_recipe
from stealproof.training.trained import Trained, train

Table = Mapping[str, Any]
MODULE = "stealproof.studies.experiments._deployed"
ROOTS = ("stealproof.training.trained", MODULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """A training defense or an ownership scheme, as a study names it."""

    name: str
    parameters: Table

    @classmethod
    def parse(cls, text: str) -> Protection:
        """The one in ``text``: ``name`` or ``name(key=value, ...)``.

        Raises:
            UnknownName: neither a training defense nor an ownership scheme has this name.
            InputError: several names, a parameter that it does not have, or a scheme that can't be deployed here.
        """
        name, parameters = _single(text)
        found = cls(name=name, parameters=parameters)
        made = found.make()
        if isinstance(made, Ownership):
            if not isinstance(made, TrainingDefense) and not isinstance(made, Fingerprint):
                raise InputError(f"{name} marks answers, which is no part of training; leave it out")
            if not made.exact:
                raise InputError(
                    f"{name} has no null distribution of its own, so that its verdicts take control models; judge it"
                    " with the experiment dispute"
                )
        return found

    def make(self) -> Any:
        """A fresh instance."""
        role = "ownership" if self.name in catalog.names("ownership") else "training_defense"
        return catalog.make(self.name, role, **thawed(self.parameters))

    def described(self) -> dict[str, Any]:
        """For cache keys."""
        return {"name": self.name, "parameters": dict(self.parameters)}


def in_order(texts: Sequence[str]) -> tuple[Protection, ...]:
    """The protections in the order in which one training run calls them, whatever order they were named in.

    Schemes that mark data, watermarks that join triggers, other defenses, adversarial training, private training;
    fingerprints, which are taken of the finished network, last.

    Raises:
        UnknownName: see ``Protection.parse``.
        InputError: the same name twice.
        IncompatibleDefenses: two that can't share a stage.
    """
    found = [Protection.parse(text) for text in texts]
    ordered = in_training_order([protection.make() for protection in found])
    return tuple(next(p for p in found if p.name == one.name()) for one in ordered)


def parse_risk(text: str) -> tuple[str, Any]:
    """Name and instance of the risk in ``text``: ``name`` or ``name(key=value, ...)``."""
    name, parameters = _single(text)
    return name, catalog.make(name, "risk", **thawed(parameters))


def _single(text: str) -> Named:
    found = parse_systems(text)
    if len(found) != 1:
        raise InputError(f"expected one system, as in dp_sgd(epsilon=3), got {text!r}; list several one by one")
    return found[0]


class Owner:
    """The owner of one seed: data dealt by lot, networks, claims."""

    def __init__(
        self,
        workshop: Workshop,
        *,
        seed: int,
        data: str,
        data_parameters: Table,
        owner_rows: int,
        family: str,
        family_parameters: Table,
        recipe: Table,
    ) -> None:
        """Nothing is trained yet; arguments as the fields of ``Deployment``."""
        self.workshop = workshop
        self.seed = seed
        whole = workshop.dataset(data, data_parameters)
        self.family: NetworkFamily = (
            catalog.make(family, "model", **thawed(family_parameters))
            if family
            else suited_network(whole.domain.shape, whole.classes)
        )
        self.recipe = recipe
        owned, strangers = _dealt(whole, owner_rows, seed)
        self.data = dataclasses.replace(
            whole, parts={"train": owned, "pool": strangers, "test": whole.test}, sensitive={}
        )
        """``train`` the owner's, ``test`` to examine networks on, ``pool`` of the owner's pile but never trained on."""
        self._described = {
            "data": data,
            "data_parameters": dict(data_parameters),
            "owner_rows": owner_rows,
            "family": self.family.describe(),
            "recipe": dict(recipe),
            "seed": seed,
        }

    def network(self, protections: Sequence[Protection]) -> tuple[Trained, Mapping[str, Claim]]:
        """The network trained with these, and the claims of their watermarks by name."""
        trained_with = [p for p in protections if isinstance(p.make(), TrainingDefense)]
        marks = [p.name for p in trained_with if isinstance(p.make(), Watermark)]
        key = self.key(protections)
        store = self.workshop.store
        paths = {name: store.path("claims", f"{key}-{name}", ".claim") for name in marks}
        with store.lock("victims", key):
            found = self.workshop.stored(key)
            if found is not None:
                try:
                    return found, {name: open_claim(path) for name, path in paths.items()}
                except StealproofError:
                    # A network without its claim proves nothing; both are made again.
                    pass
            made = [protection.make() for protection in trained_with]
            trained = train(
                self.family, self.data, recipe=self.recipe_for(protections), protections=made, seed=self.seed
            )
            claims = {one.name(): one.claim(trained.model) for one in made if isinstance(one, Watermark)}
            for name, claim in claims.items():
                save_claim(claim, paths[name])
            self.workshop.keep(key, trained)
            return trained, claims

    def recipe_for(self, protections: Sequence[Protection]) -> Recipe:
        """The recipe that suits the family, the rows and the protections, with the study's changes."""
        made = [one for one in (p.make() for p in protections) if isinstance(one, TrainingDefense)]
        return adapted(suited_recipe(self.family, len(self.data.train), made), self.recipe)

    def fingerprint(self, protection: Protection, trained: Trained, protections: Sequence[Protection]) -> Claim:
        """The claim of a scheme that leaves the network as it is."""
        scheme = protection.make()
        assert isinstance(scheme, Fingerprint)
        store = self.workshop.store
        key = key_of("claim", {"network": self.key(protections), **protection.described()}, roots=(MODULE,))
        path = store.path("claims", key, ".claim")
        with store.lock("claims", key):
            if path.exists():
                try:
                    return open_claim(path)
                except StealproofError:
                    path.unlink()
            # A fingerprint takes the members from ``train`` and the non-members from ``test``.
            held = dataclasses.replace(self.data, parts={**self.data.parts, "test": self.data.pool})
            claim = scheme.enroll(trained.model, held, seed=self.seed)
            save_claim(claim, path)
            return claim

    def risk(self, text: str, trained: Trained, protections: Sequence[Protection]) -> dict[str, Estimate]:
        """What a risk gives on the network trained with ``protections``."""
        _, risk = parse_risk(text)
        store = self.workshop.store
        key = key_of("risk", {"network": self.key(protections), "risk": text}, roots=(MODULE,))
        with store.lock("risks", key):
            found = store.read("risks", key)
            if found is None:
                measured = risk.measure(trained, self.data, seed=self.seed)
                found = {name: estimate.as_dict() for name, estimate in measured.estimates.items()}
                store.write("risks", key, found)
        return {name: Estimate(**fields) for name, fields in found.items()}

    def key(self, protections: Sequence[Protection]) -> str:
        """Of the network trained with these; fingerprints take no part."""
        active = [p.described() for p in protections if isinstance(p.make(), TrainingDefense)]
        return key_of("deployed", self._described | {"protections": active}, roots=ROOTS)


def _dealt(whole: Dataset, owner_rows: int, seed: int) -> tuple[Part, Part]:
    """The owner's rows and as many others from the same pile, by lot.

    Raises:
        InputError: more rows than there are.
    """
    total = len(whole.train)
    if owner_rows > total:
        raise InputError(f"owner_rows must be at most {total}, the owner's rows of {whole.name}, got {owner_rows}")
    order = torch.as_tensor(seeds.rng(seed, "deployment", "rows").permutation(total))
    owned = whole.train.take(order[: owner_rows or total])
    rest = whole.train.take(order[len(owned) :])
    pool = whole.parts.get("pool")
    if len(rest) < len(owned) and pool is not None:
        chosen = torch.as_tensor(seeds.rng(seed, "deployment", "strangers").permutation(len(pool)))
        more = pool.take(chosen[: len(owned) - len(rest)])
        rest = Part(x=torch.cat([rest.x, more.x]), y=torch.cat([rest.y, more.y]))
    return owned, rest.take(slice(0, len(owned)))
