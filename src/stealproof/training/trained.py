"""Trained: a model with what is needed to question it, and one call that trains any family on any data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stealproof import seeds
from stealproof.errors import IncompatibleDefenses, InputError, InvalidData
from stealproof.measures.agreement import agreement
from stealproof.measures.estimate import Estimate
from stealproof.oracle import Access, Answer, Budget, Domain, Oracle, Transcript, as_array
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.architecture import EstimatorFamily, NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import Hook
from stealproof.training.fit import fit, protection_runs
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained model and its papers."""

    model: Any
    """A ``torch.nn.Module`` from ``(n, *shape)`` to logits ``(n, classes)``, or a fitted scikit-learn classifier."""
    domain: Domain
    """Its legal inputs."""
    classes: int
    card: Mapping[str, Any]
    """How it came to be, in JSON types: family, data, recipe, seed; goes beside the weights when it is saved."""

    @property
    def is_network(self) -> bool:
        """Whether it is a PyTorch network, not an estimator."""
        return isinstance(self.model, torch.nn.Module)

    def oracle(
        self,
        access: Access | None = None,
        *,
        budget: Budget | None = None,
        transcript: Transcript | None = None,
    ) -> Oracle:
        """This model behind an interface that gives labels, probabilities or logits (the default: probabilities).

        With ``access.incomplete``, a decision tree that answers inputs with missing features from inner nodes. For
        top-k and rounding see ``stealproof.inputs.oracle.narrow``.
        """
        shared: dict[str, Any] = {
            "domain": self.domain,
            "classes": self.classes,
            "access": access,
            "budget": budget,
            "transcript": transcript,
        }
        if access is not None and access.incomplete:
            from stealproof.oracles.decision_tree import DecisionTreeOracle

            return DecisionTreeOracle(self.model, **shared)
        if self.is_network:
            return ModuleOracle(self.model, **shared)
        from stealproof.oracles.estimator import EstimatorOracle

        return EstimatorOracle(self.model, **shared)

    def accuracy(self, part: Part) -> Estimate:
        """Share of ``part``'s labels that this model predicts, with its exact interval."""
        return agreement(self.oracle(Access(answer=Answer.LABELS)).ask(part.x).predicted, as_array(part.y))


def train(
    family: NetworkFamily | EstimatorFamily,
    data: Dataset,
    *,
    recipe: Recipe | None = None,
    protections: Sequence[Any] = (),
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
    checkpoint: Path | None = None,
) -> Trained:
    """Train ``family`` on the owner's part of ``data``; same arguments, same model (CPU).

    ``checkpoint`` lets an interrupted run of a network go on; see ``stealproof.training.fit``.

    Raises:
        InputError: a recipe for an estimator, which has none.
        IncompatibleDefenses: protections that can't be composed, or that an estimator can't have.
    """
    card: dict[str, Any] = {
        "family": family.describe(),
        "data": dict(data.description) or {"name": data.name},
        "seed": seed,
    }
    if isinstance(family, NetworkFamily):
        recipe = recipe or suited_recipe(family, len(data.train), protections)
        model: Any = fit(
            family,
            data.train,
            classes=data.classes,
            domain=data.domain,
            protections=protections,
            recipe=recipe,
            seed=seed,
            progress=progress,
            checkpoint=checkpoint,
        )
        card["recipe"] = dataclasses.asdict(recipe)
    else:
        if recipe is not None:
            raise InputError(f"{family.name()} is a scikit-learn estimator and takes no recipe; drop it")
        model = _fit_estimator(family, data, protections=protections, seed=seed)
        card["recipe"] = None
    card["protections"] = [accounted(protection) for protection in protections]
    return Trained(model=model, domain=data.domain, classes=data.classes, card=card)


def accounted(protection: Any) -> dict[str, Any]:
    """What a card says of a protection: name, parameters and, where it uses something up, what this run did."""
    described: dict[str, Any] = protection.describe()
    return described | ({"spent": protection.spent} if protection.spent else {})


def _fit_estimator(family: EstimatorFamily, whole: Dataset, *, protections: Sequence[Any], seed: int) -> Any:
    """Fit a scikit-learn classifier on flattened rows; of a protection's hooks only ``prepare`` makes sense here."""
    data, classes = whole.train, whole.classes
    for protection, run in zip(protections, protection_runs(protections, whole.domain, classes, seed), strict=True):
        unusable = sorted(protection.hooks() - {Hook.PREPARE})
        if unusable:
            raise IncompatibleDefenses(
                f"{protection.name()} acts at {', '.join(unusable)}, which {family.name()} (a scikit-learn estimator)"
                " does not have; choose a network"
            )
        data = protection.prepare(data, run)
    labels = as_array(data.y)
    if labels.ndim != 1:
        raise InvalidData(f"{family.name()} wants one label for each row, got targets of shape {labels.shape}")
    estimator = family.build(tuple(data.x.shape[1:]), classes, seeds.derive(seed, "estimator"))
    return estimator.fit(as_array(data.x).reshape(len(data), -1).astype(np.float64), labels)
