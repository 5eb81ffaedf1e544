"""T-RND: grow seeds by adversarial examples aimed at random classes; training tuned by cross-validation."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.extraction._cross_validation import search_recipe
from stealproof.attacks.extraction._gradient_steps import check_movable, fgsm, moved, other_classes, width
from stealproof.attacks.extraction._surrogate import thief_recipe
from stealproof.attacks.extraction._synthetic_rounds import ask_seeds, extract_in_rounds, targets_of
from stealproof.errors import InputError, InvalidData
from stealproof.oracle import Domain
from stealproof.roles.extraction import Extraction, Theft
from stealproof.system import Source
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_network


@dataclass(frozen=True, kw_only=True)
class TRnd(Extraction):
    """The attacks of the PRADA paper: natural seeds, duplication rounds with synthetic queries, tuned training."""

    source = Source(
        authors="Juuti, Szyller, Marchal, Asokan",
        title="PRADA: Protecting Against DNN Model Stealing Attacks",
        venue="IEEE EuroS&P",
        year=2019,
        url="https://arxiv.org/abs/1805.02628",
    )
    departure = (
        "rounds go on until the budget is spent, the last one being cut to what is left; the number of steps of I-FGSM"
        " and the bounds and the eight evaluations of the search are ours; on grey images COLOR can only shift the"
        " brightness; categorical columns are not moved"
    )
    needs_pool = True
    synthesizes = True

    method: Literal["t-ifgsm", "t-fgsm", "n-ifgsm", "n-fgsm", "color"] = "t-ifgsm"
    """How queries are made: FGSM or iterated FGSM, to a random class (t-) or away from the label (n-), or a random
    shift of every colour channel."""
    seeds: int = 100
    """Natural inputs to begin with; at least 1."""
    rounds: int | None = None
    """Most duplication rounds; None for as many as the budget covers."""
    step: float = 64 / 255
    """Largest change of a coordinate in one round, as a share of the domain's width; above 0."""
    iterations: int = 10
    """Steps of the iterated methods."""
    hyperparameters: Literal["cv_search", "same"] = "cv_search"
    """``cv_search``: learning rate and epochs by cross-validation on the seeds; ``same``: the recipe as given."""
    evaluations: int = 8
    """Recipes that the search evaluates."""
    folds: int = 5
    """Folds of the cross-validation; at least 2."""
    learning_rates: tuple[float, ...] = (0.1, 3.0)
    """Bounds of the search, as multiples of the given recipe's learning rate."""
    epochs: tuple[float, ...] = (5.0, 80.0)
    """Bounds of the search."""
    soft: bool = True
    """Whether the substitute learns from the scores that the oracle shows; labels are enough otherwise."""

    def _extract(self, theft: Theft) -> torch.nn.Module:
        self._check(theft.oracle.domain)
        x, answers = ask_seeds(theft, self.seeds)
        if self.hyperparameters == "cv_search" and len(x) >= self.folds:
            targets = targets_of(theft, answers, soft=self.soft)
            theft = dataclasses.replace(theft, recipe=self._tuned(theft, x, targets, answers.predicted))

        def synthesize(
            model: torch.nn.Module, parents: NDArray[Any], labels: NDArray[np.int64], number: int
        ) -> NDArray[Any]:
            return self._new_inputs(theft, model, parents, labels, number)

        return extract_in_rounds(theft, x, answers, synthesize, rounds=self.rounds, soft=self.soft)

    def _check(self, domain: Domain) -> None:
        if self.method == "color" and len(domain.shape) != 3:
            raise InvalidData(
                f"method color wants images (channels, height, width), got inputs of shape {domain.shape};"
                " choose t-ifgsm"
            )
        check_movable(domain, self.name())
        for name, least in (("iterations", 1), ("evaluations", 1), ("folds", 2)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.step <= 0:
            raise InputError(f"step must be above 0, got {self.step}")
        for name in ("learning_rates", "epochs"):
            bounds = getattr(self, name)
            if len(bounds) != 2 or not 0 < bounds[0] <= bounds[1]:
                raise InputError(f"{name} must be two bounds, 0 < least <= most, got {bounds}")

    def _new_inputs(
        self, theft: Theft, model: torch.nn.Module, x: NDArray[Any], labels: NDArray[np.int64], number: int
    ) -> NDArray[Any]:
        """One input made from each parent, ``(n, *shape)``."""
        domain, rng = theft.oracle.domain, theft.rng(self.method, number)
        if self.method == "color":
            signs = rng.choice([-1.0, 1.0], size=(*x.shape[:2], 1, 1))
            return moved(x, self.step * width(domain) * signs, domain)
        targeted = self.method.startswith("t-")
        return fgsm(
            model,
            x,
            other_classes(labels, theft.oracle.classes, rng) if targeted else labels,
            epsilon=self.step,
            domain=domain,
            targeted=targeted,
            iterations=self.iterations if self.method.endswith("ifgsm") else 1,
        )

    def _tuned(self, theft: Theft, x: NDArray[Any], targets: NDArray[Any], labels: NDArray[np.int64]) -> Recipe:
        """The recipe that cross-validation on the seeds chooses; every trial is noted."""
        shape, classes = theft.oracle.domain.shape, theft.oracle.classes
        architecture = theft.architecture or suited_network(shape, classes)
        base = theft.recipe or thief_recipe(architecture, torch.as_tensor(targets))
        theft.progress("searching hyper-parameters", 0.0)
        recipe, trials = search_recipe(
            theft,
            x,
            targets,
            labels,
            base=base,
            learning_rates=(base.learning_rate * self.learning_rates[0], base.learning_rate * self.learning_rates[1]),
            epochs=(self.epochs[0], self.epochs[1]),
            evaluations=self.evaluations,
            folds=self.folds,
        )
        theft.notes.update(
            learning_rate=recipe.learning_rate, epochs=recipe.epochs, trials=[asdict(trial) for trial in trials]
        )
        return recipe
