"""Knockoff Nets, ours against the Adversarial Robustness Toolbox: fidelity and CPU time of the same theft.

    pip install adversarial-robustness-toolbox==1.20.1 packaging     (this benchmark only)
    STEALPROOF_DATA=... python benchmarks/knockoff_against_art.py [--seeds 3] [--budgets 1000 5000 10000]

FashionMNIST; a victim of 225,034 parameters and accuracy 0.89, trained on the owner's part; label-only answers to
held-out training images. Both thieves ask the same images of the same victim and train the same architecture from the
same initial weights, ART as in its notebooks (Adam, batch 64, 10 epochs), ours by its default recipe. Fidelity is
agreement with the victim on the official test images, which no choice of ours has seen.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from _measure import cpu_seconds, machine, one_thread, ratio, shown
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.attacks.extraction.knockoff_nets import KnockoffNets
from stealproof.data.fashion_mnist import FashionMnist
from stealproof.errors import StealproofError
from stealproof.measures.agreement import agreement
from stealproof.measures.intervals import mean_over_seeds
from stealproof.measures.paired import paired_difference
from stealproof.models.lenet import LeNet
from stealproof.oracle import Access, Answer, Oracle
from stealproof.roles.dataset import Dataset
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

VICTIM = Recipe(epochs=3, batch=64, optimizer="adam", learning_rate=1e-3, schedule="constant", weight_decay=0.0)
LABELS = Access(answer=Answer.LABELS)


@dataclass(slots=True)
class Figures:
    """Fidelity and CPU-seconds of both thieves, one value a seed."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    our_cpu: list[float] = field(default_factory=list)
    their_cpu: list[float] = field(default_factory=list)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budgets", type=int, nargs="+", default=[1000, 5000, 10_000])
    arguments = parser.parse_args()
    try:
        import art.attacks.extraction  # noqa: F401
    except ImportError:
        print("skipped: pip install adversarial-robustness-toolbox==1.20.1 packaging", file=sys.stderr)
        return 0
    try:
        data = FashionMnist().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    figures = {budget: Figures() for budget in arguments.budgets}
    for seed in range(arguments.seeds):
        victim = train(LeNet(), data, recipe=VICTIM, seed=seed)
        print(f"seed {seed}: victim accuracy {victim.accuracy(data.test).value:.4f}", flush=True)
        for budget, figure in figures.items():
            compare(victim, data, budget, seed, figure)
    for budget, figure in figures.items():
        report(budget, figure)
    return 0


def compare(victim: Trained, data: Dataset, budget: int, seed: int, figure: Figures) -> None:
    """One theft by each, appended to ``figure``."""
    pool = data.pool.x.numpy()
    oracle = victim.oracle(LABELS)

    def ours() -> torch.nn.Module:
        return KnockoffNets().steal(oracle, pool, budget=budget, seed=seed, architecture=LeNet()).model

    rows = seeds.rng(seed, "pool").choice(len(pool), budget, replace=False)
    mine, our_cpu = cpu_seconds(ours)
    peer, their_cpu = cpu_seconds(lambda: art_theft(victim.model, pool[rows], seed))
    truth = victim.oracle(LABELS).ask(data.test.x).predicted
    figure.ours.append(
        fidelity(Trained(model=mine, domain=data.domain, classes=10, card={}).oracle(LABELS), data, truth)
    )
    figure.theirs.append(float((peer(data.test.x.numpy()) == truth).mean()))
    figure.our_cpu.append(our_cpu)
    figure.their_cpu.append(their_cpu)
    print(
        f"  {budget} queries: ours {figure.ours[-1]:.4f} in {our_cpu:.1f} CPU-s, "
        f"ART {figure.theirs[-1]:.4f} in {their_cpu:.1f} CPU-s",
        flush=True,
    )


def fidelity(surrogate: Oracle, data: Dataset, truth: NDArray[np.int64]) -> float:
    """Agreement with the victim on the test images."""
    return agreement(surrogate.ask(data.test.x).predicted, truth).value


def art_theft(victim: torch.nn.Module, x: NDArray[Any], seed: int) -> Callable[[NDArray[Any]], NDArray[np.int64]]:
    """ART's random Knockoff with all of ``x``; returns its surrogate as a function from inputs to labels."""
    from art.attacks.extraction import KnockoffNets as Peer

    # ART draws batches from NumPy's global generator.
    np.random.seed(seed)  # noqa: NPY002
    attack = Peer(
        classifier=art_classifier(victim),
        batch_size_fit=64,
        batch_size_query=64,
        nb_epochs=10,
        nb_stolen=len(x),
        sampling_strategy="random",
        use_probability=False,
        verbose=False,
    )
    thief = LeNet().build((1, 28, 28), 10, seeds.generator(seeds.derive(seed, "surrogate"), "weights"))
    stolen = attack.extract(x=x, thieved_classifier=art_classifier(thief))
    return lambda inputs: np.asarray(stolen.predict(inputs, batch_size=1000).argmax(axis=1))


def art_classifier(model: torch.nn.Module) -> Any:
    """``model`` as ART wants it."""
    from art.estimators.classification import PyTorchClassifier

    return PyTorchClassifier(
        model=model,
        loss=torch.nn.CrossEntropyLoss(),
        optimizer=torch.optim.Adam(model.parameters(), lr=1e-3),
        input_shape=(1, 28, 28),
        nb_classes=10,
        clip_values=(0.0, 1.0),
    )


def report(budget: int, figure: Figures) -> None:
    """Means, paired differences and the ratio of CPU time, with 95% intervals over seeds."""
    difference = paired_difference(figure.ours, figure.theirs).difference
    print(
        f"{budget} queries: ours {shown(mean_over_seeds(figure.ours))}, ART {shown(mean_over_seeds(figure.theirs))},"
        f" difference {shown(difference)}; CPU-s {np.mean(figure.our_cpu):.1f} and {np.mean(figure.their_cpu):.1f},"
        f" {shown(ratio(figure.their_cpu, figure.our_cpu), 1)} times less"
    )


if __name__ == "__main__":
    sys.exit(main())
