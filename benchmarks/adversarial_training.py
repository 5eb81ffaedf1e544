"""Adversarial training: what robustness costs in accuracy and time, and what a single step loses against seven.

    STEALPROOF_DATA=... python benchmarks/adversarial_training.py [--seeds 5] [--rows 10000] [--part curve|collapse]

FashionMNIST, a small LeNet, ``--rows`` training rows drawn anew for each seed. Accuracy on ``--test`` test rows as they
are, and after 50 steps of projected gradient descent (the risk ``evasion``, one restart). The recipe, the way in which
the single step is taken and the numbers of epochs were chosen on rows of the training part that are not trained on.
Everything is paired by seed: weights, rows and order of the batches are the same.

1. curve: radius 0.1; plain, PGD with 7 steps, TRADES, and the single step with one and two times the epochs.
2. collapse: radius 0.3, 8 epochs; the two variants of the single step, of which one overfits to it.
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
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.training_defense import TrainingDefense
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe

FAMILY = LeNet(width=16, hidden=64)
PGD, FAST = "pgd_training", "fast_adversarial_training"
Ways = dict[str, tuple[float, Sequence[TrainingDefense]]]
Row = tuple[float, float, float]
"""Accuracy, robust accuracy, CPU-seconds of one training."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--part", choices=("curve", "collapse"), action="append")
    arguments = parser.parse_args()
    try:
        data = FashionMnist().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    plain = suited_recipe(FAMILY, arguments.rows)
    print(f"fashion_mnist, {arguments.rows} rows, {FAMILY.parameters()}, {plain}")
    for part in arguments.part or ["curve", "collapse"]:
        radius = {"curve": 0.1, "collapse": 0.3}[part]
        risk = Evasion(radius=radius, steps=50, restarts=1, rows=arguments.test)
        found: dict[str, list[Row]] = {}
        for seed in range(arguments.seeds):
            rows = some(data.train, arguments.rows, seed)
            for name, (epochs, protections) in (curve if part == "curve" else collapse)(radius, plain.epochs).items():
                row = measured(data, rows, replace(plain, epochs=epochs), protections, risk, seed)
                found.setdefault(name, []).append(row)
                print(f"  seed {seed}, {name}: {row[0]:.3f}, robust {row[1]:.3f}, {row[2]:.1f} CPU-s", flush=True)
        print(f"{part}: radius {radius:g}")
        report(found)
    return 0


def measured(
    data: Dataset, rows: Part, recipe: Recipe, protections: Sequence[TrainingDefense], risk: Evasion, seed: int
) -> Row:
    """Train one network, and attack it."""
    train = partial(fit, FAMILY, rows, classes=data.classes, domain=data.domain, recipe=recipe, seed=seed)
    model, spent = cpu_seconds(partial(train, protections=protections))
    estimates = risk.measure(model, data, seed=seed).estimates
    return estimates["accuracy"].value, estimates["robust_accuracy"].value, spent


def curve(radius: float, epochs: float) -> Ways:
    """How many epochs, and which protections."""
    fast = FastAdversarialTraining(radius=radius)
    return {
        "plain": (epochs, []),
        PGD: (epochs, [PgdTraining(radius=radius)]),
        "trades": (epochs, [Trades(radius=radius)]),
        FAST: (epochs, [fast]),
        f"{FAST}, twice the epochs": (2 * epochs, [fast]),
    }


def collapse(radius: float, epochs: float) -> Ways:
    """Where a single step goes wrong."""
    del epochs
    return {
        f"{FAST}, n-fgsm": (8, [FastAdversarialTraining(radius=radius)]),
        f"{FAST}, rs-fgsm": (8, [FastAdversarialTraining(radius=radius, variant="rs-fgsm")]),
    }


def report(found: dict[str, list[Row]]) -> None:
    """Means over seeds, and differences from PGD training, paired by seed."""
    slow = found.get(PGD, [])
    for name, rows in found.items():
        accuracy, robust, spent = zip(*rows, strict=True)
        line = f"{name}: accuracy {shown(mean_over_seeds(accuracy), 3)}, robust {shown(mean_over_seeds(robust), 3)}"
        line += f", {shown(mean_over_seeds(spent), 1)} CPU-s"
        if "plain" in found:
            line += f", {shown(ratio(spent, column(found['plain'], 2)), 1)} times plain training"
        print(line)
        if slow and name != PGD:
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
