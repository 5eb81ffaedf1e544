"""Transfer: adversarial examples that a thief makes on the surrogate, sent to the victim; how many fool it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.attacks.extraction._gradient_steps import fgsm, moved, other_classes, width
from stealproof.errors import InputError
from stealproof.measures.agreement import agreement
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import proportion
from stealproof.oracle import Access, Answer, Oracle, as_array
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.experiment import Experiment
from stealproof.roles.risk import Measurement
from stealproof.studies.experiments.theft import Theft, exactly
from stealproof.studies.workshop import Workshop
from stealproof.system import Source

Table = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Transfer(Experiment):
    """Steal a surrogate, then evade the victim by what evades the surrogate (Papernot et al. 2017, section 5)."""

    source = Source(
        authors="Papernot, McDaniel, Goodfellow, Jha, Celik, Swami",
        title="Practical Black-Box Attacks against Machine Learning",
        venue="ASIA CCS",
        year=2017,
        url="https://arxiv.org/abs/1602.02697",
    )
    measures: ClassVar[Mapping[str, str]] = {
        "clean": "share of held-out inputs that the victim misclassifies as they are",
        "noise": "the same after a random sign times epsilon is added to every coordinate: what size alone does",
        "fgsm": "the same for FGSM examples made on the surrogate; 1 is best for the thief",
        "ifgsm": "the same for I-FGSM examples",
        "targeted_fgsm": "share of FGSM examples that the victim puts into the random class they aim at",
        "targeted_ifgsm": "the same for I-FGSM examples",
        "accuracy": "share of the held-out labels that the surrogate predicts",
        "fidelity": "share of held-out inputs on which surrogate and victim agree",
        "queries": "inputs that were sent to the victim to steal it; the examples come on top",
        "cpu_seconds": "processor time of the theft, a local victim's answers included",
    }

    data: str = "digits"
    """The victim's data set."""
    data_parameters: Table = field(default_factory=dict)
    """Of the data set."""
    victim: str = ""
    """Catalog name of the victim's family; empty for the network that suits the data."""
    victim_parameters: Table = field(default_factory=dict)
    """Of the victim's family."""
    victim_recipe: Table = field(default_factory=dict)
    """Fields that replace those of the victim's measured default recipe."""
    victim_seed: int | None = None
    """Seed of the victim's training; None for the cell's own seed."""
    target: str = ""
    """Instead of a victim that is trained: a model file, URL or function of your own."""
    access: str = "labels"
    """What the thief sees: ``labels``, ``top-3``, ``probabilities``, ``probabilities:2`` (decimals), ``logits``."""
    attack: str = "jacobian_augmentation"
    """Catalog name of the extraction attack."""
    attack_parameters: Table = field(default_factory=dict)
    """Of the attack."""
    budget: int = 1000
    """Most queries that the thief may send to steal."""
    pool: str = "own"
    """The thief's inputs: ``own`` (the victim data's pool part), ``noise`` (uniform), ``none``, or a data set."""
    pool_parameters: Table = field(default_factory=dict)
    """Of a foreign pool's data set."""
    architecture: str = ""
    """Catalog name of the surrogate's family; empty for the attack's own default."""
    architecture_parameters: Table = field(default_factory=dict)
    """Of the surrogate's family."""
    recipe: Table = field(default_factory=dict)
    """Fields that replace those of the surrogate's measured default recipe."""
    epsilon: float = 0.3
    """Largest change of a coordinate, as a share of the domain's width; above 0."""
    iterations: int = 10
    """Steps of I-FGSM."""
    examples: int = 2000
    """Held-out inputs to turn into adversarial examples; fewer when there are fewer."""

    def check(self) -> None:
        """Refuse what no theft could run with, and impossible perturbations."""
        self._theft().check()
        if self.epsilon <= 0:
            raise InputError(f"epsilon must be above 0, got {self.epsilon}")
        for name in ("iterations", "examples"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")

    def run(self, *, seed: int, workshop: Workshop) -> Measurement:
        """Steal once and try the surrogate's adversarial examples on the victim."""
        stolen = self._theft().steal(seed=seed, workshop=workshop)
        test = stolen.data.test
        rows = seeds.rng(seed, "examples").permutation(len(test))[: self.examples]
        x, truth = as_array(test.x)[rows], as_array(test.y)[rows]
        model, victim = stolen.surrogate.model, stolen.victim
        estimates = {
            **self._untargeted(model, victim, x, truth, seeds.rng(seed, "noise")),
            **self._targeted(model, victim, x, truth, seeds.rng(seed, "aims")),
            **_as_usual(model, victim, x, truth),
            "queries": exactly(stolen.surrogate.queries, "count"),
            "cpu_seconds": exactly(stolen.surrogate.cpu_seconds, "measured once"),
        }
        return Measurement(estimates=estimates, details={"notes": stolen.surrogate.notes})

    def _untargeted(
        self, model: Any, victim: Oracle, x: NDArray[Any], truth: NDArray[Any], rng: np.random.Generator
    ) -> dict[str, Estimate]:
        """How often the victim is wrong on ``x`` ``(n, *shape)``: as it is, with noise, and made adversarial."""
        domain = victim.domain
        noise = self.epsilon * width(domain) * rng.choice([-1.0, 1.0], size=x.shape)
        inputs = {
            "clean": x,
            "noise": moved(x, noise, domain),
            "fgsm": fgsm(model, x, truth, epsilon=self.epsilon, domain=domain),
            "ifgsm": fgsm(model, x, truth, epsilon=self.epsilon, domain=domain, iterations=self.iterations),
        }
        return {name: _wrong(victim.ask(made).predicted, truth) for name, made in inputs.items()}

    def _targeted(
        self, model: Any, victim: Oracle, x: NDArray[Any], truth: NDArray[Any], rng: np.random.Generator
    ) -> dict[str, Estimate]:
        """How often the victim answers with the random wrong class that the example aims at."""
        aims = other_classes(truth, victim.classes, rng)
        made = {
            name: fgsm(model, x, aims, epsilon=self.epsilon, domain=victim.domain, targeted=True, iterations=steps)
            for name, steps in (("targeted_fgsm", 1), ("targeted_ifgsm", self.iterations))
        }
        return {name: agreement(victim.ask(inputs).predicted, aims) for name, inputs in made.items()}

    def _theft(self) -> Theft:
        """The theft that this experiment begins with: the fields that both have."""
        shared = {item.name for item in dataclasses.fields(Theft)} & set(self.parameters())
        return Theft(**{name: getattr(self, name) for name in shared})


def _wrong(predicted: NDArray[Any], truth: NDArray[Any]) -> Estimate:
    """Share of labels ``(n,)`` that are not the truth."""
    return proportion(int((predicted != truth).sum()), len(truth))


def _as_usual(model: Any, victim: Oracle, x: NDArray[Any], truth: NDArray[Any]) -> dict[str, Estimate]:
    """Accuracy and fidelity of the surrogate on the inputs as they are."""
    labels = Access(answer=Answer.LABELS)
    mine = ModuleOracle(model, domain=victim.domain, classes=victim.classes, access=labels).ask(x).predicted
    return {"accuracy": agreement(mine, truth), "fidelity": agreement(mine, victim.ask(x).predicted)}
