"""Membership inference on small overfitted networks: how much LiRA finds beyond the loss, and what DP-SGD leaves.

    STEALPROOF_DATA=... python benchmarks/membership.py [--seeds 3] [--first 0] [--shadows 16] [--rows 4000]

CIFAR-10, LeNet, its suited recipe. In each seed a victim is trained on other rows of the owner's part, the shadows on
halves of the thief's. Both attacks judge the same 1,000 members and 1,000 test images. The innocent network is one more
shadow: it never saw a member, so every attack on it must guess. The private victim is trained by ``dp_sgd`` where the
extra ``privacy`` is installed; the shadows stay without it, as an attacker would have them who does not know.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence

import torch
from _measure import cpu_seconds, machine, one_thread, shown

from stealproof import catalog, seeds
from stealproof.data.cifar10 import Cifar10
from stealproof.errors import MissingExtra, StealproofError, UnknownName
from stealproof.measures.intervals import mean_over_seeds
from stealproof.measures.paired import paired_difference
from stealproof.models.lenet import LeNet
from stealproof.risks.lira import Lira
from stealproof.risks.membership_inference import MembershipInference
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.risk import Measurement
from stealproof.training.trained import Trained, train

PRIVATE = "dp_sgd, epsilon 3"
Found = dict[str, dict[str, list[Measurement]]]
"""Victim -> attack -> one measurement a seed."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="at least 2")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--shadows", type=int, default=16)
    parser.add_argument("--rows", type=int, default=4000)
    arguments = parser.parse_args()
    try:
        whole = Cifar10().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    found: Found = {}
    accuracies: dict[str, list[tuple[float, float]]] = {}
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        data = drawn(whole, arguments.rows, seed)
        attack = Lira(shadows=1 + arguments.shadows, family="lenet")
        networks, spent = cpu_seconds(lambda a=attack, d=data, s=seed: a.train_shadows(d, seed=s))  # type: ignore[misc]
        innocent, *shadows = networks
        print(f"seed {seed}: {len(networks)} shadows of {len(data.pool) // 2} rows, {spent:.0f} CPU-s", flush=True)
        for name, victim in (*victims(data, seed), ("innocent", innocent)):
            if isinstance(victim, Trained):
                scores = victim.accuracy(data.train).value, victim.accuracy(data.test).value
                accuracies.setdefault(name, []).append(scores)
            each = found.setdefault(name, {"loss": [], "lira": []})
            each["loss"].append(MembershipInference().measure(victim, data, seed=seed))
            each["lira"].append(attack.measure(victim, data, seed=seed, networks=shadows))
    report(found, accuracies)
    return 0


def drawn(whole: Dataset, rows: int, seed: int) -> Dataset:
    """The same data with ``rows`` of the owner's rows, and twice as many of the thief's if there are so many."""

    def some(part: Part, count: int, name: str) -> Part:
        order = seeds.rng(seed, "membership benchmark", name).permutation(len(part))
        return part.take(torch.as_tensor(order[:count]))

    parts = {"train": some(whole.train, rows, "train"), "pool": some(whole.pool, 2 * rows, "pool"), "test": whole.test}
    return dataclasses.replace(whole, parts=parts)


def victims(data: Dataset, seed: int) -> Iterator[tuple[str, Trained]]:
    """The plain network, and the private one where it can be trained."""
    yield "plain", train(LeNet(), data, seed=seed)
    try:
        private = catalog.make("dp_sgd", "training_defense", epsilon=3.0)
        yield PRIVATE, train(LeNet(), data, protections=[private], seed=seed)
    except (UnknownName, MissingExtra) as error:
        print(f"without dp_sgd: {error}", file=sys.stderr)


def report(found: Found, accuracies: dict[str, list[tuple[float, float]]]) -> None:
    """Every estimate over seeds, and LiRA minus the loss, paired by seed."""
    for name, attacks in found.items():
        both = accuracies.get(name, [])
        words = [
            f"{part} accuracy {shown(mean_over_seeds(values), 3)}"
            for part, values in zip(("train", "test"), zip(*both, strict=True), strict=False)
        ]
        print(f"\n{name}: {', '.join(words) or 'trained on half of the pool'}")
        for measure in ("auc", "tpr_at_1_percent", "tpr_at_01_percent", "advantage"):
            loss, lira = (series(attacks[kind], measure) for kind in ("loss", "lira"))
            gain = paired_difference(lira, loss).difference
            print(
                f"  {measure}: loss {shown(mean_over_seeds(loss), 3)}, lira {shown(mean_over_seeds(lira), 3)},"
                f" difference {shown(gain, 3)}"
            )
        covered = {
            kind: sum(m.estimates["auc"].low <= 0.5 <= m.estimates["auc"].high for m in measured)
            for kind, measured in attacks.items()
        }
        print(f"  seeds whose interval of the area covers 0.5: {covered}")


def series(measured: Sequence[Measurement], measure: str) -> list[float]:
    """One value a seed."""
    return [m.estimates[measure].value for m in measured]


if __name__ == "__main__":
    sys.exit(main())
