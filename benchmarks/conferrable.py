"""Three fingerprints on the same suspects: who tells stolen models from innocent ones, and what the ensemble costs.

    STEALPROOF_DATA=... python benchmarks/conferrable.py [--network mlp] [--victims 3] [--rows 5000]

FashionMNIST, ``--rows`` rows for the owner and as many others for the thief; perceptrons see flat rows. Of each victim
eight models are stolen and eight trained without it. None of them has a seed, and some have no architecture or attack,
in common with the ensemble that makes conferrable examples. The innocent are half trained on the owner's own rows, the
hardest case, and half on the thief's.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence

import numpy as np
import torch
from _measure import cpu_seconds, machine, one_thread, shown

from stealproof.attacks.extraction.jacobian_augmentation import JacobianAugmentation
from stealproof.attacks.extraction.knockoff_nets import KnockoffNets
from stealproof.data.fashion_mnist import FashionMnist
from stealproof.errors import StealproofError
from stealproof.measures.roc import area_under_curve, at_false_positive_rate
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Answer, Oracle
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.conferrable import Conferrable
from stealproof.ownership.ipguard import Ipguard
from stealproof.ownership.zest import Zest
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.ownership import Fingerprint
from stealproof.training.fit import fit
from stealproof.training.fit_many import Path, fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe
from stealproof.training.trained import Trained, train

FAMILIES: dict[str, tuple[NetworkFamily, NetworkFamily]] = {
    "mlp": (Mlp(), Mlp(width=256, depth=2)),
    "lenet": (LeNet(), LeNet(width=16, hidden=64)),
}
"""The victim's architecture, which the ensemble shares, and another one that some suspects have."""
LABELS, PROBABILITIES = Access(answer=Answer.LABELS), Access()
Suspects = dict[str, list[torch.nn.Module]]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=sorted(FAMILIES), default="mlp")
    parser.add_argument("--victims", type=int, default=3)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--candidates", type=int, default=400)
    arguments = parser.parse_args()
    try:
        data = some_of(FashionMnist().load(), arguments.rows, flat=arguments.network == "mlp")
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    family, other = FAMILIES[arguments.network]
    schemes: list[tuple[Fingerprint, Access]] = [
        (Conferrable(candidates=arguments.candidates), LABELS),
        (Ipguard(), LABELS),
        (Zest(), PROBABILITIES),
    ]
    areas: list[list[float]] = [[] for _ in schemes]
    for seed in range(arguments.victims):
        victim = train(family, data, seed=seed)
        stolen, innocent = thefts(victim, data, family, other, seed), rivals(data, family, other, seed)
        print(f"victim {seed}: accuracy {victim.accuracy(data.test).value:.3f}", flush=True)
        for (scheme, access), found in zip(schemes, areas, strict=True):
            found.append(compare(scheme, access, victim, data, stolen, innocent, seed))
    for (scheme, _), found in zip(schemes, areas, strict=True):
        print(f"{scheme.name()}: mean area over victims {np.mean(found):.3f} ({', '.join(f'{a:.3f}' for a in found)})")
    ensemble_time(family, data, arguments.network)
    return 0


def some_of(data: Dataset, rows: int, *, flat: bool) -> Dataset:
    """The first ``rows`` of the owner's and the thief's parts, and the test part; images or flat rows."""
    parts = {"train": data.train.take(slice(rows)), "pool": data.pool.take(slice(rows)), "test": data.test}
    if not flat:
        return dataclasses.replace(data, parts=parts)
    shape = (int(np.prod(data.domain.shape)),)
    return dataclasses.replace(
        data,
        domain=dataclasses.replace(data.domain, shape=shape),
        parts={name: Part(x=part.x.flatten(1), y=part.y) for name, part in parts.items()},
    )


def thefts(victim: Trained, data: Dataset, family: NetworkFamily, other: NetworkFamily, seed: int) -> Suspects:
    """Eight stolen models, by kind."""
    pool, rows, first = data.pool, len(data.pool), 1000 * (seed + 1)

    def knockoff(access: Access, number: int, architecture: NetworkFamily, budget: int = rows) -> torch.nn.Module:
        oracle = victim.oracle(access)
        found = KnockoffNets().steal(oracle, pool.x, budget=budget, seed=first + number, architecture=architecture)
        return as_module(found.model)

    augmentation = JacobianAugmentation(soft=True).steal(
        victim.oracle(), pool.x, budget=rows // 2, seed=first + 7, architecture=family
    )
    gentle = dataclasses.replace(suited_recipe(family, rows), epochs=3, learning_rate=0.01)
    return {
        "knockoff, probabilities": [knockoff(PROBABILITIES, number, family) for number in (1, 2)],
        "knockoff, labels": [knockoff(LABELS, number, family) for number in (3, 4)],
        "knockoff, other network": [knockoff(PROBABILITIES, 5, other)],
        "knockoff, a fifth of the budget": [knockoff(PROBABILITIES, 6, family, rows // 5)],
        "jacobian augmentation": [as_module(augmentation.model)],
        "fine-tuned copy": [
            fit(family, pool, classes=data.classes, recipe=gentle, seed=first + 8, start=as_module(victim.model))
        ],
    }


def rivals(data: Dataset, family: NetworkFamily, other: NetworkFamily, seed: int) -> Suspects:
    """Eight models that never met the victim, by kind."""
    first = 1000 * (seed + 1)

    def made(architecture: NetworkFamily, part: Part, *numbers: int) -> list[torch.nn.Module]:
        return fit_many(architecture, part, classes=data.classes, seeds=[first + number for number in numbers])

    return {
        "owner's rows": made(family, data.train, 11, 12, 13),
        "thief's rows": made(family, data.pool, 14, 15, 16),
        "owner's rows, other network": made(other, data.train, 17),
        "thief's rows, other network": made(other, data.pool, 18),
    }


def as_module(model: object) -> torch.nn.Module:
    """``model``, which these families and attacks make a network."""
    assert isinstance(model, torch.nn.Module)
    return model


def compare(
    scheme: Fingerprint,
    access: Access,
    victim: Trained,
    data: Dataset,
    stolen: Suspects,
    innocent: Suspects,
    seed: int,
) -> float:
    """Enrol the victim, examine every suspect, print, and return the area under the curve."""
    try:
        claim, seconds = cpu_seconds(lambda: scheme.enroll(as_module(victim.model), data, seed=seed))
    except StealproofError as error:
        print(f"  {scheme.name()}: {error}", flush=True)
        return float("nan")
    counts = {name: value for name, value in claim.secrets.items() if isinstance(value, int)}
    print(f"  {scheme.name()}: enrolled in {seconds:.1f} CPU-s, {len(claim.secrets['inputs'])} inputs {counts or ''}")
    statistics: list[list[float]] = []
    for suspects in (stolen, innocent):
        of_kind = {
            kind: scheme.calibrate(claim, oracles(models, data, access)).statistics for kind, models in suspects.items()
        }
        statistics.append([value for values in of_kind.values() for value in values])
        print(
            f"    mean {np.mean(statistics[-1]):.3f}: {', '.join(f'{k} {np.mean(v):.3f}' for k, v in of_kind.items())}"
        )
    of_stolen, of_innocent = statistics
    area = area_under_curve(of_stolen, of_innocent)
    silent = at_false_positive_rate(of_stolen, of_innocent, 0.0).true_positive_rate
    print(f"    area {shown(area, 3)}; found without a false alarm {shown(silent, 3)}", flush=True)
    return area.value


def oracles(models: Sequence[torch.nn.Module], data: Dataset, access: Access) -> list[Oracle]:
    """These networks behind an interface."""
    return [ModuleOracle(model, domain=data.domain, classes=data.classes, access=access) for model in models]


def ensemble_time(family: NetworkFamily, data: Dataset, network: str) -> None:
    """Print what 12 networks cost one by one and as one batch; of LeNets one epoch of 1,280 rows, since it is slow."""
    part, recipe = data.train, suited_recipe(family, len(data.train))
    if network == "lenet":
        part, recipe = part.take(slice(1280)), Recipe(epochs=1, batch=128, optimizer="muon", learning_rate=0.05)
    times: dict[Path, list[tuple[float, float]]] = {"serial": [], "batched": []}
    for repeat in range(3):
        for path, found in times.items():
            seeds = range(100 * repeat, 100 * repeat + 12)
            begun = time.perf_counter()
            _, seconds = cpu_seconds(
                lambda path=path, seeds=seeds: fit_many(  # type: ignore[misc]
                    family, part, classes=data.classes, seeds=seeds, recipe=recipe, path=path
                )
            )
            found.append((seconds, time.perf_counter() - begun))
    for path, found in times.items():
        print(f"12 networks, {path}: " + ", ".join(f"{cpu:.1f} CPU-s ({wall:.1f} s)" for cpu, wall in found))
    ratios = [one[0] / many[0] for one, many in zip(times["serial"], times["batched"], strict=True)]
    print(f"one by one costs {np.mean(ratios):.2f} times the CPU of a batch ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    sys.exit(main())
