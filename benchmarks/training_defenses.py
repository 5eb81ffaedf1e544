"""Outlier removal, regularization and early stopping: does each do what it says?

    STEALPROOF_DATA=... python benchmarks/training_defenses.py [--seeds 5] [--rows 5000] [...]

Perceptrons on digits (scikit-learn) and on ``--rows`` rows of FashionMNIST, drawn anew for each seed; accuracy on
the test rows. Everything is paired by seed with a network that has no defense and the same recipe.

1. outliers: one label in five is wrong. How well each score finds those rows, and accuracy when a fifth or a tenth of
   the rows is dropped.
2. membership: how well the loss of a row tells whether it was trained on (area under the ROC curve; the members are the
   rows that were trained on, the others test rows), with each penalty and with early stopping.
3. marks: which share of the rows that radioactive data has marked is dropped, where it stands before outlier removal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from _measure import cpu_seconds, machine, one_thread, shown
from torch.nn import functional

from stealproof import seeds
from stealproof.data.digits import Digits
from stealproof.data.fashion_mnist import FashionMnist
from stealproof.defenses.training.early_stopping import EarlyStopping
from stealproof.defenses.training.outlier_removal import OutlierRemoval
from stealproof.defenses.training.regularization import Regularization
from stealproof.errors import StealproofError
from stealproof.measures.intervals import mean_over_seeds
from stealproof.measures.paired import paired_difference
from stealproof.measures.roc import area_under_curve
from stealproof.models.mlp import Mlp
from stealproof.ownership.radioactive_data import RadioactiveData
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.fit import fit, protection_runs
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe

WRONG = 0.2
"""Share of the labels that are made wrong."""
LONG = 3
"""How many times longer than suits them the networks of the second part are trained, so that they overfit."""
SCORES: tuple[OutlierRemoval, ...] = (
    OutlierRemoval(method="shapley"),
    OutlierRemoval(method="shapley", space="network"),
    OutlierRemoval(method="loss"),
    OutlierRemoval(method="knn"),
    OutlierRemoval(method="knn", space="network"),
)
DEFENSES: dict[str, Any] = {
    "l2, 0.001": Regularization(),
    "l2, 0.005": Regularization(strength=5e-3),
    "l1, 0.0001": Regularization(kind="l1"),
    "l1, 0.0005": Regularization(kind="l1", strength=5e-4),
    "confidence, 0.1": Regularization(kind="confidence"),
    "confidence, 0.5": Regularization(kind="confidence", strength=0.5),
    "early stopping": EarlyStopping(),
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--data", choices=("digits", "fashion_mnist"), action="append")
    parser.add_argument("--part", choices=("outliers", "membership", "marks"), action="append")
    parser.add_argument("--space", choices=("inputs", "network"), help="scores in this space only")
    arguments = parser.parse_args()
    scores = [score for score in SCORES if arguments.space in (None, score.space)]
    one_thread()
    print(machine(), flush=True)
    for name in arguments.data or ["digits", "fashion_mnist"]:
        try:
            data = Digits().load() if name == "digits" else FashionMnist().load()
        except StealproofError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        rows = min(arguments.rows, len(data.train))
        for part in arguments.part or ["outliers", "membership", "marks"]:
            if part == "membership":
                membership(data, rows, arguments.seeds)
            else:
                {"outliers": outliers, "marks": marks}[part](data, rows, arguments.seeds, scores)
    return 0


def outliers(data: Dataset, rows: int, count: int, tried: Sequence[OutlierRemoval]) -> None:
    """Wrong labels: how well they are found, and what it brings to drop them."""
    family = Mlp()
    recipe = suited_recipe(family, rows)
    plain: list[float] = []
    areas: dict[str, list[float]] = {}
    accuracies: dict[str, list[float]] = {}
    spent: dict[str, list[float]] = {}
    for seed in range(count):
        part, wrong = mislabelled(some(data.train, rows, seed), data.classes, seed)
        train = partial(fit, family, classes=data.classes, recipe=recipe, seed=seed)
        plain.append(accuracy(train(part), data.test))
        clean = accuracy(train(part.take(~wrong)), data.test)
        accuracies.setdefault("without the wrong ones", []).append(clean)
        for defense in tried:
            name = f"{defense.method}, {defense.space}" if defense.method != "loss" else "loss"
            draw = seeds.generator(seed, "outliers")
            scores, cpu = cpu_seconds(partial(defense.scores, part, classes=data.classes, generator=draw))
            areas.setdefault(name, []).append(area_under_curve(scores[wrong].tolist(), scores[~wrong].tolist()).value)
            spent.setdefault(name, []).append(cpu)
            for share in (0.1, WRONG):
                kept = scores.argsort(descending=True, stable=True)[round(share * rows) :].sort().values
                model = train(part.take(kept))
                accuracies.setdefault(f"{name}, {share:.0%} dropped", []).append(accuracy(model, data.test))
    print(f"outliers: {data.name}, {rows} rows, {family.name()}, {WRONG:.0%} of the labels wrong, seeds 0-{count - 1}")
    print(f"  nothing dropped: accuracy {shown(mean_over_seeds(plain), 3)}")
    for name, found in areas.items():
        print(f"  {name}: area {shown(mean_over_seeds(found), 3)}, {sum(spent[name]) / count:.1f} CPU-s")
    for name, values in accuracies.items():
        gain = paired_difference(values, plain).difference
        print(f"  {name}: accuracy {shown(mean_over_seeds(values), 3)}, {shown(gain, 3)} more", flush=True)


def membership(data: Dataset, rows: int, count: int) -> None:
    """What the loss gives away of membership, and accuracy, beside a network without the defense."""
    family = Mlp()
    suited = suited_recipe(family, rows)
    recipe = replace(suited, epochs=LONG * suited.epochs, weight_decay=0.0)
    found: dict[str, list[tuple[float, float]]] = {}
    # With the decay that the recipe has as a rule: the plain way to have an l2 penalty.
    ways: dict[str, tuple[Recipe, list[Any]]] = {"nothing": (recipe, [])}
    ways["weight decay 0.0005"] = (replace(recipe, weight_decay=5e-4), [])
    ways |= {name: (recipe, [defense]) for name, defense in DEFENSES.items()}
    ways["early stopping, its own schedule"] = (DEFENSES["early stopping"].suited(recipe, rows), [EarlyStopping()])
    ways["a third of the passes"] = (replace(recipe, epochs=suited.epochs), [])
    for seed in range(count):
        part = some(data.train, rows, seed)
        for name, (how, protections) in ways.items():
            model = fit(family, part, classes=data.classes, recipe=how, protections=protections, seed=seed)
            members = trained_on(part, protections, data, seed)
            area = area_under_curve((-losses(model, members)).tolist(), (-losses(model, data.test)).tolist()).value
            found.setdefault(name, []).append((area, accuracy(model, data.test)))
    print(f"membership: {data.name}, {rows} rows, {family.name()}, {recipe.epochs:g} epochs, seeds 0-{count - 1}")
    for name, values in found.items():
        columns = []
        for column in (0, 1):
            mine, plain = ([pair[column] for pair in some_values] for some_values in (values, found["nothing"]))
            columns.append(
                f"{shown(mean_over_seeds(mine), 3)}, {shown(paired_difference(mine, plain).difference, 3)} more"
            )
        print(f"  {name}: area {columns[0]}; accuracy {columns[1]}", flush=True)


def marks(data: Dataset, rows: int, count: int, tried: Sequence[OutlierRemoval]) -> None:
    """Which share of radioactive rows each method drops, where it drops a tenth of all rows."""
    shares: dict[str, list[float]] = {}
    for seed in range(count):
        part = some(data.train, rows, seed)
        scheme = RadioactiveData()
        marked = scheme.prepare(part, protection_runs([scheme], data.domain, data.classes, seed)[0])
        changed = (marked.x != part.x).flatten(1).any(dim=1)
        for defense in tried:
            scores = defense.scores(marked, classes=data.classes, generator=seeds.generator(seed, "outliers"))
            dropped = scores.argsort(descending=True, stable=True)[: round(defense.share * rows)]
            share = float(changed[dropped].sum() / changed.sum())
            shares.setdefault(f"{defense.method}, {defense.space}" if defense.method != "loss" else "loss", []).append(
                share
            )
    print(f"marks: {data.name}, {rows} rows, radioactive_data, 10% of all rows dropped, seeds 0-{count - 1}")
    for name, values in shares.items():
        print(f"  {name}: {shown(mean_over_seeds(values), 3)} of the marked rows dropped", flush=True)


def some(part: Part, rows: int, seed: int) -> Part:
    """Other rows for each seed."""
    return part.take(torch.randperm(len(part), generator=seeds.generator(seed, "rows"))[:rows])


def mislabelled(part: Part, classes: int, seed: int) -> tuple[Part, torch.Tensor]:
    """``part`` with ``WRONG`` of its labels moved to another class, and a mask of those rows."""
    draw = seeds.generator(seed, "wrong labels")
    wrong = torch.rand(len(part), generator=draw) < WRONG
    moved = (part.y + torch.randint(1, classes, (len(part),), generator=draw)) % classes
    return Part(x=part.x, y=torch.where(wrong, moved, part.y)), wrong


def trained_on(part: Part, protections: Sequence[Any], data: Dataset, seed: int) -> Part:
    """The rows that protections leave to train on."""
    for protection, run in zip(protections, protection_runs(protections, data.domain, data.classes, seed), strict=True):
        part = protection.prepare(part, run)
    return part


def losses(model: torch.nn.Module, part: Part) -> torch.Tensor:
    """Cross-entropy of each row."""
    with torch.inference_mode():
        return functional.cross_entropy(model(part.x.float()).double(), part.y, reduction="none")


def accuracy(model: torch.nn.Module, part: Part) -> float:
    """Share of right predictions."""
    with torch.inference_mode():
        hits = [
            (model(x.float()).argmax(dim=1) == y).sum()
            for x, y in zip(part.x.split(1000), part.y.split(1000), strict=True)
        ]
    return float(sum(int(hit) for hit in hits) / len(part))


if __name__ == "__main__":
    sys.exit(main())
