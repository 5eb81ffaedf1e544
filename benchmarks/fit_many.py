"""CPU time per model of every path of fit_many against one fit after the other, as ratios in one run.

    python benchmarks/fit_many.py [--models 16] [--repeats 5]

Random data of the families' usual sizes: only time is measured here; that all paths give the same models is tested.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from _measure import cpu_seconds, machine, one_thread, ratio, shown

from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part
from stealproof.training.fit_many import Path, fit_many
from stealproof.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One family on its usual data."""

    name: str
    architecture: NetworkFamily
    shape: tuple[int, ...]
    classes: int
    batch: int
    rows: int
    paths: tuple[Path, ...] = ("batched",)


CASES = (
    Case(name="tabular perceptron 100-32-2", architecture=Mlp(width=32), shape=(100,), classes=2, batch=64, rows=6400),
    Case(name="perceptron 784-128-10", architecture=Mlp(), shape=(784,), classes=10, batch=256, rows=5120),
    Case(
        name="LeNet, 8 channels",
        architecture=LeNet(width=8, hidden=32),
        shape=(1, 28, 28),
        classes=10,
        batch=128,
        rows=1280,
        paths=("batched", "processes"),
    ),
    Case(
        name="LeNet, 32 channels",
        architecture=LeNet(),
        shape=(1, 28, 28),
        classes=10,
        batch=128,
        rows=1280,
        paths=("batched",),
    ),
)


def main() -> None:
    """Measure and print every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    one_thread()
    print(f"{machine()}; {arguments.models} models, {arguments.repeats} repeats, CPU-ms a model and epoch")
    for case in CASES:
        measure(case, arguments.models, arguments.repeats)


def measure(case: Case, models: int, repeats: int) -> None:
    """Print serial time, and for every other path its time and how many times less it is."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, case.classes, (case.rows,), generator=generator)
    data = Part(x=torch.rand(case.rows, *case.shape, generator=generator), y=y)
    recipe = Recipe(epochs=1, batch=case.batch, learning_rate=0.01)

    def spend(path: Path, seed: int) -> float:
        seeds = range(seed, seed + models)
        _, seconds = cpu_seconds(
            lambda: fit_many(case.architecture, data, classes=case.classes, seeds=seeds, recipe=recipe, path=path)
        )
        return 1000 * seconds / models

    paths: tuple[Path, ...] = ("serial", *case.paths)
    for path in paths:
        spend(path, 0)
    # Paths in turn, so that a busy moment of the machine hits all alike.
    times = {path: [0.0] * repeats for path in paths}
    for repeat in range(repeats):
        for path in paths:
            times[path][repeat] = spend(path, repeat)
    print(f"{case.name}, batch {case.batch}: serial {min(times['serial']):.1f}")
    for path in case.paths:
        print(f"  {path}: {min(times[path]):.1f}, {shown(ratio(times['serial'], times[path]), 2)} times less")


if __name__ == "__main__":
    main()
