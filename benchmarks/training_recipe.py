"""The training recipes on FashionMNIST: what precision and layout save, and 0.91 in how little CPU time.

    STEALPROOF_DATA=... python benchmarks/training_recipe.py [--seeds 3] [--part layout|precision|target]

1. layout: LeNet, the same hyper-parameters and batches in a plain PyTorch loop (float32, default layout) and in fit.
2. precision: CPU time of fit in bfloat16 and in float32 for every family; ``precision="auto"`` follows these ratios.
3. target: test accuracy and CPU time of the cheapest recipes found. They were chosen on 5,000 validation rows of the
   training data; the test rows are used here only.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from functools import partial
from typing import Literal

import torch
from _measure import cpu_seconds, machine, one_thread, ratio, shown
from torch.nn import functional

from stealproof import seeds
from stealproof.data.fashion_mnist import FashionMnist
from stealproof.errors import StealproofError
from stealproof.measures.intervals import mean_over_seeds
from stealproof.measures.paired import paired_difference
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.models.resnet import ResNet
from stealproof.models.strided_cnn import StridedCnn
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.training._optimizers import one_cycle
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe

PLAIN = Recipe(epochs=3, batch=256, learning_rate=0.05)
MUON = Recipe(batch=128, optimizer="muon", weight_decay=0.0, label_smoothing=0.1)
TARGETS: tuple[tuple[NetworkFamily, Recipe], ...] = (
    (StridedCnn(), dataclasses.replace(MUON, epochs=1, learning_rate=0.1)),
    (StridedCnn(), dataclasses.replace(MUON, epochs=1.25, learning_rate=0.1)),
    (LeNet(), dataclasses.replace(MUON, epochs=2, learning_rate=0.05)),
)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--part", choices=("layout", "precision", "target"), action="append")
    arguments = parser.parse_args()
    try:
        data = FashionMnist(pool_fraction=0.0).load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    parts = arguments.part or ["layout", "precision", "target"]
    if "layout" in parts:
        layout(data, arguments.seeds)
    if "precision" in parts:
        precision(data, arguments.seeds)
    if "target" in parts:
        target(data, arguments.seeds)
    return 0


def layout(data: Dataset, count: int, rows: int = 20_000) -> None:
    """LeNet by a plain loop and by fit: CPU time and accuracy of the same run."""
    part = data.train.take(slice(0, rows))
    plain_cpu, our_cpu, plain_accuracy, our_accuracy = [], [], [], []
    for seed in range(count):
        model, seconds = cpu_seconds(partial(plain_fit, part, PLAIN, seed))
        plain_cpu.append(seconds / PLAIN.epochs)
        plain_accuracy.append(accuracy(model, data.test))
        model, seconds = cpu_seconds(partial(fit, LeNet(), part, classes=10, recipe=PLAIN, seed=seed))
        our_cpu.append(seconds / PLAIN.epochs)
        our_accuracy.append(accuracy(model, data.test))
    print(
        f"layout: LeNet, {rows} rows, {PLAIN.epochs:g} epochs: plain loop {min(plain_cpu):.1f} CPU-s an epoch, fit"
        f" {min(our_cpu):.1f}, {shown(ratio(plain_cpu, our_cpu), 2)} times less; accuracy"
        f" {shown(mean_over_seeds(plain_accuracy))} and {shown(mean_over_seeds(our_accuracy))}, difference"
        f" {shown(paired_difference(our_accuracy, plain_accuracy).difference)}",
        flush=True,
    )


def plain_fit(data: Part, recipe: Recipe, seed: int) -> torch.nn.Module:
    """What anyone would write, in float32 and the default layout; weights, batches and schedule as in fit."""
    model = LeNet().build(tuple(data.x.shape[1:]), 10, seeds.generator(seed, "weights"))
    optimizer = torch.optim.SGD(
        model.parameters(), lr=recipe.learning_rate, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    steps = round(recipe.epochs) * -(-len(data) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(step, steps))
    for epoch in range(round(recipe.epochs)):
        order = torch.randperm(len(data), generator=seeds.generator(seed, "order", epoch))
        for rows in order.split(recipe.batch):
            optimizer.zero_grad()
            functional.cross_entropy(model(data.x[rows]), data.y[rows]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def precision(data: Dataset, count: int) -> None:
    """CPU time of float32 over that of bfloat16, for every family and two sizes of batches."""
    families: tuple[NetworkFamily, ...] = (Mlp(), Mlp(width=512), LeNet(), StridedCnn(), ResNet())
    for family in families:
        part = data.train.take(slice(0, 8192 if isinstance(family, Mlp) else 1024))
        for batch in (64, 256):
            times: dict[Literal["float32", "bfloat16"], list[float]] = {"float32": [], "bfloat16": []}
            for repeat in range(-1, count):
                for name, spent in times.items():
                    recipe = Recipe(epochs=1, batch=batch, learning_rate=0.01, precision=name)
                    _, seconds = cpu_seconds(partial(fit, family, part, classes=10, recipe=recipe))
                    if repeat >= 0:
                        spent.append(seconds)
            print(
                f"precision: {family.name()} {family.parameters()}, batch {batch}: float32 {min(times['float32']):.2f}"
                f" CPU-s, bfloat16 {shown(ratio(times['float32'], times['bfloat16']), 2)} times less",
                flush=True,
            )


def target(data: Dataset, count: int) -> None:
    """Test accuracy and CPU time of the cheapest recipes."""
    for family, recipe in TARGETS:
        accuracies, spent = [], []
        for seed in range(count):
            model, seconds = cpu_seconds(partial(fit, family, data.train, classes=10, recipe=recipe, seed=seed))
            accuracies.append(accuracy(model, data.test))
            spent.append(seconds)
        print(
            f"target: {family.name()}, {recipe.optimizer}, {recipe.epochs:g} epochs of batch {recipe.batch}: test"
            f" accuracy {shown(mean_over_seeds(accuracies))}, {shown(mean_over_seeds(spent), 1)} CPU-s",
            flush=True,
        )


def accuracy(model: torch.nn.Module, part: Part) -> float:
    """Share of right predictions."""
    with torch.inference_mode():
        hits = [
            (model(x).argmax(dim=1) == y).sum() for x, y in zip(part.x.split(1000), part.y.split(1000), strict=True)
        ]
    return float(sum(int(hit) for hit in hits) / len(part))


if __name__ == "__main__":
    sys.exit(main())
