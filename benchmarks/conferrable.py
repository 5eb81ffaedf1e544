"""Four fingerprints on the same suspects: who tells stolen models from innocent ones, and what the ensemble costs.

    STEALPROOF_DATA=... python benchmarks/conferrable.py [--network mlp] [--victims 3] [--rows 5000] [--keep FOLDER]

FashionMNIST, ``--rows`` rows for the owner and as many others for the thief; perceptrons see flat rows. Of each victim
eight models are stolen and eight trained without it, half of these on the owner's own rows and half on the thief's.
None of them has a seed, and some have no architecture or attack, in common with the ensemble of the fingerprint.
Targeted PGD is the baseline of Lukas et al. (2021). With ``--keep`` every model and every result is written to FOLDER,
and an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from _fingerprint_suspects import LABELS, PROBABILITIES, Shelf, Suspects, rivals, some_of, thefts
from _measure import cpu_seconds, machine, one_thread, shown
from _targeted_pgd import TargetedPgd

from stealproof.data.fashion_mnist import FashionMnist
from stealproof.errors import StealproofError
from stealproof.measures.roc import area_under_curve, at_false_positive_rate
from stealproof.models.lenet import LeNet
from stealproof.models.mlp import Mlp
from stealproof.oracle import Access, Oracle
from stealproof.oracles.module import ModuleOracle
from stealproof.ownership.conferrable import Conferrable
from stealproof.ownership.ipguard import Ipguard
from stealproof.ownership.zest import Zest
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset
from stealproof.roles.ownership import Fingerprint
from stealproof.studies.store import Store
from stealproof.training.fit_many import Path as Way
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe
from stealproof.training.trained import Trained, train

FAMILIES: dict[str, tuple[NetworkFamily, NetworkFamily]] = {
    "mlp": (Mlp(), Mlp(width=256, depth=2)),
    "lenet": (LeNet(), LeNet(width=16, hidden=64)),
}
"""The victim's architecture, which the ensemble shares, and another one that some suspects have."""
Found = dict[str, dict[str, list[float]]]
"""Side -> kind of suspect -> statistics."""
SIDES = ("stolen", "innocent")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=sorted(FAMILIES), default="mlp")
    parser.add_argument("--victims", type=int, default=3)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--schemes", nargs="+", metavar="NAME")
    parser.add_argument("--ensemble", type=int, default=4, help="surrogates that move inputs, and as many references")
    parser.add_argument("--candidates", type=int, default=400)
    parser.add_argument("--iterations", type=int, default=300, help="of Adam, when inputs become conferrable")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    try:
        data = some_of(FashionMnist().load(), arguments.rows, flat=arguments.network == "mlp")
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    conferrable = Conferrable(
        surrogates=arguments.ensemble,
        references=arguments.ensemble,
        candidates=arguments.candidates,
        iterations=arguments.iterations,
    )
    schemes: list[tuple[Fingerprint, Access]] = [
        (conferrable, LABELS),
        (TargetedPgd(), LABELS),
        (Ipguard(), LABELS),
        (Zest(), PROBABILITIES),
    ]
    wanted = [(scheme, access) for scheme, access in schemes if title(scheme) in (arguments.schemes or [title(scheme)])]
    with tempfile.TemporaryDirectory() as nowhere:
        shelf = Shelf(Store(arguments.keep or Path(nowhere)), f"{arguments.network}-{arguments.rows}", data)
        victims = [
            one_victim(wanted, data, *FAMILIES[arguments.network], seed, shelf) for seed in range(arguments.victims)
        ]
    for scheme, _ in wanted:
        over_all(title(scheme), [victim[title(scheme)] for victim in victims if title(scheme) in victim])
    ensemble_time(FAMILIES[arguments.network][0], data, arguments.network)
    return 0


def one_victim(
    schemes: Sequence[tuple[Fingerprint, Access]],
    data: Dataset,
    family: NetworkFamily,
    other: NetworkFamily,
    seed: int,
    shelf: Shelf,
) -> dict[str, Found]:
    """What each fingerprint that could be taken of this victim found on its suspects."""
    model = shelf.model(f"victim-{seed}", lambda: train(family, data, seed=seed).model)
    victim = Trained(model=model, domain=data.domain, classes=data.classes, card={})
    stolen, innocent = thefts(victim, data, family, other, seed, shelf), rivals(data, family, other, seed, shelf)
    print(f"victim {seed}: accuracy {victim.accuracy(data.test).value:.3f}", flush=True)
    results = {}
    for scheme, access in schemes:
        found = kept_result(
            shelf,
            scheme,
            seed,
            lambda s=scheme, a=access: compare(s, a, victim, data, stolen, innocent, seed),  # type: ignore[misc]
        )
        if found is not None:
            results[title(scheme)] = found
    return results


def kept_result(shelf: Shelf, scheme: Fingerprint, seed: int, compare: Callable[[], Found | None]) -> Found | None:
    """What this scheme, with these parameters, found on the suspects of this victim; compared once."""
    key = hashlib.sha256(f"{shelf.run} {scheme.describe()} {seed}".encode()).hexdigest()
    kept = shelf.store.read("results", key)
    if kept is None:
        kept = {"found": compare()}
        shelf.store.write("results", key, kept)
    found: Found | None = kept["found"]
    return found


def over_all(name: str, victims: Sequence[Found]) -> None:
    """Print the means by kind and the areas: of each victim's suspects, and of all of them."""
    if not victims:
        print(f"{name}: no victim")
        return
    areas = [area_under_curve(values(found, "stolen"), values(found, "innocent")).value for found in victims]
    stolen, innocent = ([value for found in victims for value in values(found, side)] for side in SIDES)
    area, silent = area_under_curve(stolen, innocent), at_false_positive_rate(stolen, innocent, 0.0).true_positive_rate
    print(f"{name}: area over {len(stolen)} + {len(innocent)} suspects {shown(area, 3)}")
    print(f"  victim by victim {', '.join(f'{one:.3f}' for one in areas)}; without a false alarm {shown(silent, 3)}")
    for rows in ("owner's rows", "thief's rows"):
        of_rows = [value for found in victims for value in values(found, "innocent", rows)]
        print(f"  against the innocent with {rows} {shown(area_under_curve(stolen, of_rows), 3)}")
    for side in SIDES:
        means = {
            kind: np.mean([value for found in victims for value in found[side][kind]]) for kind in victims[0][side]
        }
        print(f"  {side}: {', '.join(f'{kind} {mean:.3f}' for kind, mean in means.items())}", flush=True)


def title(scheme: Fingerprint) -> str:
    """Its name; the baseline lies in a file of these benchmarks, which begins with an underscore."""
    return scheme.name().removeprefix("_")


def values(found: Found, side: str, kinds: str = "") -> list[float]:
    """All statistics of one side, or of the kinds whose name begins so."""
    return [value for kind, of_kind in found[side].items() if kind.startswith(kinds) for value in of_kind]


def compare(
    scheme: Fingerprint,
    access: Access,
    victim: Trained,
    data: Dataset,
    stolen: Suspects,
    innocent: Suspects,
    seed: int,
) -> Found | None:
    """Enrol the victim, examine every suspect and print; None when the victim can't be enrolled."""
    try:
        claim, seconds = cpu_seconds(lambda: scheme.enroll(victim.model, data, seed=seed))
    except StealproofError as error:
        print(f"  {title(scheme)}: {error}", flush=True)
        return None
    counts = {name: value for name, value in claim.secrets.items() if isinstance(value, int)}
    print(f"  {title(scheme)}: enrolled in {seconds:.1f} CPU-s, {len(claim.secrets['inputs'])} inputs {counts or ''}")
    found: Found = {
        side: {
            kind: list(scheme.calibrate(claim, oracles(models, data, access)).statistics)
            for kind, models in suspects.items()
        }
        for side, suspects in zip(SIDES, (stolen, innocent), strict=True)
    }
    area = area_under_curve(values(found, "stolen"), values(found, "innocent"))
    print(f"    area {shown(area, 3)}", flush=True)
    return found


def oracles(models: Sequence[torch.nn.Module], data: Dataset, access: Access) -> list[Oracle]:
    """These networks behind an interface."""
    return [ModuleOracle(model, domain=data.domain, classes=data.classes, access=access) for model in models]


def ensemble_time(family: NetworkFamily, data: Dataset, network: str) -> None:
    """Print what 12 networks cost one by one and as one batch; of LeNets one epoch of 1,280 rows, since it is slow."""
    part, recipe = data.train, suited_recipe(family, len(data.train))
    if network == "lenet":
        part, recipe = part.take(slice(1280)), Recipe(epochs=1, batch=128, optimizer="muon", learning_rate=0.05)
    times: dict[Way, list[tuple[float, float]]] = {"serial": [], "batched": []}
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
