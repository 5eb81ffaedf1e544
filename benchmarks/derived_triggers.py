"""Derived triggers on FashionMNIST: what they cost, who is recognised, and how many questions that takes.

    STEALPROOF_DATA=... python benchmarks/derived_triggers.py [--seeds 5] [--rows 5000] [--kind noise natural]

In each seed a plain and a marked victim are trained on the same rows of the owner's part (LeNet, its suited recipe).
Suspects: the marked victim; copies of it with all layers tuned on as many rows of the thief's part (FTAL) at constant
rates for 3 epochs, by SGD with momentum as Adi et al. 2018 do it or by Adam; the plain model; and one that was
trained on the thief's rows.

The last table divides the e-process's number of questions (median over random orders of the 100 triggers, which are
exchangeable) by the smallest fixed-size binomial test of the same level and power 0.99. That test has to be sized for
some match rate before anybody asks: once for the lowest of all copies whose mark the exact test of all triggers still
finds in every seed, so that one test convicts all of them, and once for the very rate that this kind of copy turned out
to have, which no judge could know.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from _measure import machine, one_thread, shown
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.data.fashion_mnist import FashionMnist
from stealproof.errors import StealproofError
from stealproof.measures.binomial import critical_matches, power, smallest_fixed_test
from stealproof.measures.e_process import trials_to_decide
from stealproof.measures.intervals import mean_over_seeds
from stealproof.measures.paired import paired_difference
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_network

CHANCE = 0.1
LEVELS = (1e-3, 1e-6, 1e-9)
POWER = 0.99
ORDERS = 200
VICTIM, UNMARKED = "victim", "same rows, unmarked"
ADAM = Recipe(epochs=3, batch=128, optimizer="adam", learning_rate=1e-3, schedule="constant", weight_decay=0.0)
TUNED = {
    "FTAL, SGD 0.001": Recipe(epochs=3, batch=100, learning_rate=1e-3, schedule="constant"),
    "FTAL, Adam 0.001": ADAM,
    "FTAL, Adam 0.005": dataclasses.replace(ADAM, learning_rate=5e-3),
}
Matches = dict[str, list[NDArray[np.bool_]]]
"""Suspect -> for each seed, which of the triggers it matches."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--kind", nargs="+", choices=("noise", "natural"), default=["noise", "natural"])
    arguments = parser.parse_args()
    try:
        data = FashionMnist().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    innocent = [innocents(data, arguments.rows, seed) for seed in range(arguments.seeds)]
    for kind in arguments.kind:
        matches: Matches = {}
        accuracies: dict[str, list[float]] = {}
        for seed, models in enumerate(innocent):
            for name, (found, accuracy) in examined(data, arguments.rows, seed, kind, models).items():
                matches.setdefault(name, []).append(found)
                accuracies.setdefault(name, []).append(accuracy)
        report(kind, matches, accuracies)
    return 0


def innocents(data: Dataset, rows: int, seed: int) -> Mapping[str, ModuleOracle]:
    """Models that never met a trigger: the owner's rows without the mark, and the thief's rows."""
    family = suited_network(data.domain.shape, data.classes)
    parts = {UNMARKED: data.train, "other rows": data.pool}
    return {
        name: behind(fit(family, first(part, rows), classes=10, domain=data.domain, seed=seed + 100 * number), data)
        for number, (name, part) in enumerate(parts.items())
    }


def examined(
    data: Dataset, rows: int, seed: int, kind: str, innocent: Mapping[str, ModuleOracle]
) -> dict[str, tuple[NDArray[np.bool_], float]]:
    """Which triggers each suspect matches, and its accuracy on the test images."""
    family = suited_network(data.domain.shape, data.classes)
    scheme = DerivedTriggers.make({"kind": kind})
    victim = fit(family, first(data.train, rows), classes=10, domain=data.domain, protections=[scheme], seed=seed)
    suspects = {VICTIM: behind(victim, data)}
    for name, recipe in TUNED.items():
        copy = fit(family, first(data.pool, rows), classes=10, recipe=recipe, seed=seed + 1000, start=victim)
        suspects[name] = behind(copy, data)
    secrets, truth = scheme.claim(victim).secrets, data.test.y.numpy()
    return {
        name: (
            oracle.ask(secrets["inputs"]).predicted == secrets["labels"],
            float((oracle.ask(data.test.x).predicted == truth).mean()),
        )
        for name, oracle in (suspects | dict(innocent)).items()
    }


def report(kind: str, matches: Matches, accuracies: Mapping[str, list[float]]) -> None:
    """Match rates, price, power and the number of questions."""
    n, price = len(matches[VICTIM][0]), paired_difference(accuracies[VICTIM], accuracies[UNMARKED]).difference
    print(f"\n{kind}: accuracy of the marked model minus that of the unmarked one, paired by seed: {shown(price)}")
    critical, lasting = critical_matches(n, CHANCE, 1e-9), {}
    for name, found in matches.items():
        rates = [float(outcomes.mean()) for outcomes in found]
        accused = sum(int(outcomes.sum()) >= critical for outcomes in found)
        if accused == len(found) and name in (VICTIM, *TUNED):
            lasting[name] = rates
        print(
            f"  {name}: accuracy {shown(mean_over_seeds(accuracies[name]))}; match rate"
            f" {shown(mean_over_seeds(rates), 3)}, from {min(rates):.2f} to {max(rates):.2f}; accused at 1e-9 by"
            f" {n} triggers: {accused} of {len(found)}; power at the lowest rate"
            f" {power(n, CHANCE, 1e-9, min(rates)):.4f}"
        )
    lowest = min(min(rates) for rates in lasting.values())
    for level in LEVELS:
        for_all = fixed_size(level, lowest)
        for name, rates in lasting.items():
            own = fixed_size(level, float(np.mean(rates)))
            medians = [median_questions(outcomes, level, seed) for seed, outcomes in enumerate(matches[name])]
            print(
                f"  level {level:g}, {name}: median questions {np.median(medians):g}; {for_all} in the fixed test for"
                f" the lowest rate {lowest:.2f}, ratio {over(medians, for_all)}; {own} in that for its own rate, ratio"
                f" {over(medians, own)}"
            )


def fixed_size(level: float, truth: float) -> int:
    """The size of the fixed test."""
    return smallest_fixed_test(CHANCE, level, truth, POWER)


def median_questions(outcomes: NDArray[np.bool_], level: float, seed: int) -> float:
    """Questions until the e-process decides, the median over random orders; infinite when most never do."""
    rng = seeds.rng(seed, "orders")
    asked = [trials_to_decide(rng.permutation(outcomes), CHANCE, level) for _ in range(ORDERS)]
    return float(np.median([math.inf if count is None else count for count in asked]))


def over(medians: Sequence[float], size: int) -> str:
    """Medians over the size of a fixed test, with an interval over seeds."""
    if any(math.isinf(median) for median in medians):
        return "undefined, since most orders of some seed end undecided"
    return shown(mean_over_seeds([median / size for median in medians]), 2)


def behind(model: torch.nn.Module, data: Dataset) -> ModuleOracle:
    """``model`` as a suspect."""
    return ModuleOracle(model, domain=data.domain, classes=data.classes)


def first(part: Part, rows: int) -> Part:
    """The first rows of ``part``."""
    return part.take(slice(0, rows))


if __name__ == "__main__":
    sys.exit(main())
