"""DAWN: who learns the wrong answers, how certain a claim is, and what the guard costs.

    STEALPROOF_DATA=... python benchmarks/dawn.py [--seeds 3] [--budget 20000] [--voting]

FashionMNIST. The thief asks images of the owner's distribution (random Knockoff Nets, labels only) and trains for as
long as our default recipe says, or for 50 epochs, as the paper's thieves do; an independent model learns the same
images with their true labels. Printed: the share of recorded wrong answers that each repeats, the p-value of the claim,
test accuracies, and the guard's time. With ``--voting`` another thief instead: it asks each image three times, with a
little noise, and keeps the label that comes most often, against DAWN's keyed choice by pixels and by the latent.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time

import numpy as np
import torch
from _measure import cpu_seconds, machine, one_thread, shown

from stealproof import seeds
from stealproof.attacks.extraction.knockoff_nets import KnockoffNets
from stealproof.data.fashion_mnist import FashionMnist
from stealproof.errors import StealproofError
from stealproof.measures.intervals import mean_over_seeds
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Oracle
from stealproof.oracles.guarded import GuardedOracle
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.dawn import Dawn
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.trained import train

LABELS = Access(answer=Answer.LABELS)
LONG = Recipe(epochs=50, batch=128, learning_rate=0.05, weight_decay=0.0)
THIEVES: dict[str, tuple[NetworkFamily, Recipe | None]] = {
    "lenet, default recipe": (LeNet(width=16), None),
    "lenet, 50 epochs": (LeNet(width=16), LONG),
    "mlp 512, 50 epochs": (Mlp(width=512), LONG),
}
ASKS, NOISE = 3, 0.02
"""How often the voting thief asks an image, and the standard deviation of the noise that it adds; pixels are 0 to 1."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=20_000)
    parser.add_argument("--voting", action="store_true", help="the thief that asks three times")
    arguments = parser.parse_args()
    try:
        data = FashionMnist().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    repeated: dict[str, list[float]] = {}
    for seed in range(arguments.seeds):
        for name, share in (votes if arguments.voting else one_seed)(data, arguments.budget, seed).items():
            repeated.setdefault(name, []).append(share)
    for name, shares in repeated.items():
        if len(shares) > 1:
            print(f"{name}: repeats {shown(mean_over_seeds(shares), 3)} of the recorded wrong answers", flush=True)
    return 0


def one_seed(data: Dataset, budget: int, seed: int) -> dict[str, float]:
    """The share of recorded wrong answers that each suspect repeats."""
    victim = train(LeNet(width=16), data, seed=seed)
    # Reproducible; whoever serves a model draws a fresh key.
    scheme = Dawn(classes=data.classes)
    scheme.use_key(f"{seeds.derive(seed, 'dawn'):032x}")
    print(f"seed {seed}: victim {victim.accuracy(data.test).value:.4f}", flush=True)
    time_guard(victim.oracle(LABELS), data, budget)
    found = {}
    for name, (family, recipe) in THIEVES.items():
        api = GuardedOracle(victim.oracle(LABELS), [scheme], client=name)
        stolen, cpu = cpu_seconds(
            lambda api=api, family=family, recipe=recipe: KnockoffNets().steal(  # type: ignore[misc]
                api, data.pool.x, budget=budget, seed=seed, architecture=family, recipe=recipe
            )
        )
        found[name] = judge(scheme, ModuleOracle(stolen.model, domain=data.domain, classes=10), data, name, cpu)
    independent, cpu = cpu_seconds(
        lambda: fit(LeNet(width=16), data.pool.take(slice(0, budget)), classes=10, seed=seeds.derive(seed, "other"))
    )
    suspect = ModuleOracle(independent, domain=data.domain, classes=10)
    found["independent"] = judge(scheme, suspect, data, "independent", cpu)
    return found


def votes(data: Dataset, budget: int, seed: int) -> dict[str, float]:
    """The share of the wrong answers that it got which a perceptron taught by the votes repeats."""
    victim = train(LeNet(width=16), data, seed=seed)
    pool = data.pool.take(slice(0, budget))
    truth = victim.oracle(LABELS).ask(pool.x).predicted
    found = {}
    for mapping in ("pixels", "latent"):
        scheme = Dawn(classes=data.classes, mapping=mapping)
        scheme.use_key(f"{seeds.derive(seed, 'dawn'):032x}")
        if mapping == "latent":
            scheme.look_through(victim.model, data.train)
        api = GuardedOracle(victim.oracle(LABELS), [scheme], client=mapping)
        rng, counts = seeds.rng(seed, "voting"), np.zeros((budget, data.classes), dtype=int)
        for _ in range(ASKS):
            noisy = pool.x.numpy() + rng.normal(0, NOISE, pool.x.shape)
            counts[np.arange(budget), api.ask(noisy.clip(0, 1).astype(np.float32)).predicted] += 1
        voted = counts.argmax(axis=1)
        print(f"  {mapping}: {(voted != truth).mean():.4f} of the votes are not what the network says", flush=True)
        part = dataclasses.replace(pool, y=torch.from_numpy(voted))
        stolen, cpu = cpu_seconds(
            lambda part=part: fit(Mlp(width=512), part, classes=data.classes, recipe=LONG, seed=seed)  # type: ignore[misc]
        )
        found[mapping] = judge(scheme, ModuleOracle(stolen, domain=data.domain, classes=10), data, mapping, cpu)
    return found


def judge(scheme: Dawn, suspect: Oracle, data: Dataset, name: str, cpu: float) -> float:
    """Test the claim to everything that was recorded against one suspect, and print it."""
    claim = scheme.claim()
    verdict = scheme.verify(claim, suspect, level=1e-9)
    accuracy = float((suspect.ask(data.test.x).predicted == data.test.y.numpy()).mean())
    print(
        f"  {name}: {verdict.decision}, repeats {verdict.statistic:.3f} of {len(claim.secrets['labels'])}, p-value"
        f" {verdict.p_value:.2g}, test accuracy {accuracy:.4f}, {cpu:.1f} CPU-s",
        flush=True,
    )
    return verdict.statistic


def time_guard(oracle: Oracle, data: Dataset, budget: int) -> None:
    """Share of changed answers, and wall-clock time of the guard and of the network itself for 1,000 queries."""
    queries = data.pool.x[:budget].numpy()
    started = time.perf_counter()
    answers = oracle.ask(queries)
    times = {"network": time.perf_counter() - started}
    labels = answers.predicted
    scheme = Dawn(classes=data.classes)
    started = time.perf_counter()
    changed = (scheme.answer("client", queries, answers).predicted != labels).mean()
    times["pixels"] = time.perf_counter() - started
    words = ", ".join(f"{name} {1e6 * spent / len(queries):.1f} ms" for name, spent in times.items())
    print(f"  {changed:.4f} of {len(queries)} answers changed; wall-clock time for 1,000 queries: {words}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
