"""Adversarial training: what robustness costs in accuracy and time, and what a single step loses against seven.

    STEALPROOF_DATA=... python benchmarks/adversarial_training.py [--seeds 5] [--rows 10000] [--radius 0.1]

FashionMNIST, a small LeNet, ``--rows`` training rows drawn anew for each seed. Accuracy on ``--test`` test rows as they
are, and after 50 steps of projected gradient descent (the risk ``evasion``, one restart). The recipe, the way in which
the single step is taken and the numbers of epochs were chosen on rows of the training part that are not trained on.
Everything is paired by seed: weights, rows and order of the batches are the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from _measure import cpu_seconds, machine, one_thread, ratio, shown

from stealproof import seeds
from stealproof.data.fashion_mnist import FashionMnist
from stealproof.defenses.training.fast_adversarial_training import FastAdversarialTraining
from stealproof.defenses.training.pgd_training import PgdTraining
from stealproof.defenses.training.trades import Trades
from stealproof.errors import StealproofError
from stealproof.measures.intervals import mean_over_seeds
from stealproof.measures.paired import paired_difference
from stealproof.models.lenet import LeNet
from stealproof.risks.evasion import Evasion
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense
from stealproof.training.fit import fit
from stealproof.training.suited import suited_recipe

PGD = "pgd_training"
Row = tuple[float, float, float]
"""Accuracy, robust accuracy, CPU-seconds of one training."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--radius", type=float, default=0.1)
    arguments = parser.parse_args()
    try:
        data = FashionMnist().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    family, radius = LeNet(width=16, hidden=64), arguments.radius
    plain = suited_recipe(family, arguments.rows)
    risk = Evasion(radius=radius, steps=50, restarts=1, rows=arguments.test)
    print(f"fashion_mnist, {arguments.rows} rows, {family.parameters()}, {plain}, radius {radius:g}")
    found: dict[str, list[Row]] = {}
    for seed in range(arguments.seeds):
        part = some(data.train, arguments.rows, seed)
        for name, (times, protections) in ways(radius).items():
            recipe = replace(plain, epochs=times * plain.epochs)
            train = partial(fit, family, part, classes=data.classes, domain=data.domain, recipe=recipe, seed=seed)
            model, spent = cpu_seconds(partial(train, protections=protections))
            estimates = risk.measure(model, data, seed=seed).estimates
            row = (estimates["accuracy"].value, estimates["robust_accuracy"].value, spent)
            found.setdefault(name, []).append(row)
            print(f"  seed {seed}, {name}: accuracy {row[0]:.3f}, robust {row[1]:.3f}, {row[2]:.1f} CPU-s", flush=True)
    report(found)
    return 0


def ways(radius: float) -> dict[str, tuple[float, Sequence[TrainingDefense]]]:
    """How many times the suited epochs, and which protections."""
    return {
        "plain": (1, []),
        PGD: (1, [PgdTraining(radius=radius)]),
        "trades": (1, [Trades(radius=radius)]),
        "fast_adversarial_training": (1, [FastAdversarialTraining(radius=radius)]),
        "fast_adversarial_training, twice the epochs": (2, [FastAdversarialTraining(radius=radius)]),
    }


def report(found: dict[str, list[Row]]) -> None:
    """Means over seeds, and differences from PGD training, paired by seed."""
    slow = found[PGD]
    for name, rows in found.items():
        accuracy, robust, spent = zip(*rows, strict=True)
        line = f"{name}: accuracy {shown(mean_over_seeds(accuracy), 3)}, robust {shown(mean_over_seeds(robust), 3)}"
        line += f", {shown(mean_over_seeds(spent), 1)} CPU-s, {shown(ratio(spent, column(found['plain'], 2)), 1)}"
        print(line + " times plain training")
        if name != PGD and len(rows) > 1:
            more = [shown(paired_difference(column(rows, c), column(slow, c)).difference, 3) for c in (0, 1)]
            share = shown(ratio(spent, column(slow, 2)), 3)
            print(f"  against {PGD}: accuracy {more[0]}, robust {more[1]}, {share} of its time")


def column(rows: Sequence[Row], place: int) -> list[float]:
    """One of the three numbers, seed by seed."""
    return [row[place] for row in rows]


def some(part: Part, rows: int, seed: int) -> Part:
    """Other rows for each seed."""
    return part.take(torch.randperm(len(part), generator=seeds.generator(seed, "rows"))[:rows])


if __name__ == "__main__":
    sys.exit(main())
