"""Evasion, ours against the Adversarial Robustness Toolbox: robust accuracy and CPU time on the same rows.

    pip install adversarial-robustness-toolbox==1.20.1 packaging multiprocess     (this benchmark only)
    STEALPROOF_DATA=... python benchmarks/evasion_against_art.py [--rows 500] [--ensemble-rows 100] [--seed 0]

FashionMNIST; a small LeNet trained on 10,000 images, once plainly and once on the worst neighbours of its batches. Both
attack the same network with the same radius and the same test images. Projected gradient descent: 50 steps of
2.5 * radius / 50 from 5 random points. Ensemble: Auto-PGD with 100 steps on the cross-entropy and on the difference of
logits ratio, then the square attack, one start each. The toolbox's ratio is untargeted, ours aims at 9 classes (the
paper's standard), which is nine ascents for its one. The toolbox's images are judged by the network's label for them,
and count for nothing where they left the ball.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from _measure import cpu_seconds, machine, one_thread, shown
from numpy.typing import NDArray

from stealproof.data.fashion_mnist import FashionMnist
from stealproof.defenses.training.pgd_training import PgdTraining
from stealproof.errors import StealproofError
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import proportion
from stealproof.models.lenet import LeNet
from stealproof.risks._target import chosen_rows
from stealproof.risks.evasion import Evasion
from stealproof.risks.evasion_ensemble import EvasionEnsemble
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.risk import Measurement
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

Attack = Callable[[Any, NDArray[np.float32], NDArray[np.int64]], NDArray[np.float32]]
RECIPE = Recipe(epochs=5, batch=64)
TRAINED_FOR = 0.1
"""Radius of the adversarial training."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--ensemble-rows", type=int, default=100)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--radii", type=float, nargs="+", default=[8 / 255, TRAINED_FOR])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        import art.attacks.evasion  # noqa: F401
    except ImportError:
        print(
            "skipped: pip install adversarial-robustness-toolbox==1.20.1 packaging multiprocess",
            file=sys.stderr,
        )
        return 0
    try:
        whole = FashionMnist().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    data = replace(whole, parts={"train": whole.train.take(slice(10_000)), "test": whole.test})
    one_thread()
    print(machine(), flush=True)
    hardening = PgdTraining(radius=TRAINED_FOR)
    for name, protections in {"plain": [], "adversarially trained": [hardening]}.items():
        network = train(LeNet(width=16, hidden=64), data, recipe=RECIPE, protections=protections, seed=arguments.seed)
        print(f"{name}: accuracy {network.accuracy(data.test).value:.4f}", flush=True)
        for radius in arguments.radii:
            compare(network, data, radius, arguments)
    return 0


def compare(network: Trained, data: Dataset, radius: float, arguments: argparse.Namespace) -> None:
    """Both attacks by both, one radius."""
    seed = arguments.seed
    rows, few = (chosen_rows(data.test, n, seed, "art") for n in (arguments.rows, arguments.ensemble_rows))
    plain = Evasion(radius=radius, rows=len(rows))
    strong = EvasionEnsemble(radius=radius, rows=len(few), queries=arguments.queries)
    report(
        f"radius {radius:.4f}, pgd",
        cpu_seconds(lambda: plain.measure(network, data, seed=seed)),
        cpu_seconds(lambda: art_robust(network, rows, radius, art_pgd(radius))),
    )
    report(
        f"radius {radius:.4f}, ensemble",
        cpu_seconds(lambda: strong.measure(network, data, seed=seed)),
        cpu_seconds(lambda: art_robust(network, few, radius, art_ensemble(radius, arguments.queries))),
    )


def report(what: str, ours: tuple[Measurement, float], theirs: tuple[Estimate, float]) -> None:
    """Robust accuracy and CPU-seconds of both."""
    (found, our_cpu), (peer, their_cpu) = ours, theirs
    print(
        f"  {what}, {peer.n} rows: ours {shown(found.estimates['robust_accuracy'], 3)} in {our_cpu:.1f} CPU-s,"
        f" ART {shown(peer, 3)} in {their_cpu:.1f} CPU-s, {their_cpu / our_cpu:.1f} times less;"
        f" ours fell {found.details['fell']}",
        flush=True,
    )


def art_robust(network: Trained, rows: Part, radius: float, attack: Attack) -> Estimate:
    """Share of ``rows`` that the network still classifies correctly after ART's attack, as the network itself says."""
    x, y = rows.x.numpy(), rows.y.numpy()
    found = attack(art_classifier(network.model), x, y)
    legal = (np.abs(found - x) <= radius + 1e-5).all(axis=(1, 2, 3)) & (found >= -1e-6).all(axis=(1, 2, 3))
    legal &= (found <= 1 + 1e-6).all(axis=(1, 2, 3))
    with torch.inference_mode():
        before = network.model(rows.x).argmax(dim=1).numpy() == y
        after = network.model(torch.as_tensor(found)).argmax(dim=1).numpy() == y
    return proportion(int((before & (after | ~legal)).sum()), len(rows))


def art_pgd(radius: float) -> Attack:
    """ART's projected gradient descent."""

    def attack(classifier: Any, x: NDArray[np.float32], y: NDArray[np.int64]) -> NDArray[np.float32]:
        from art.attacks.evasion import ProjectedGradientDescent

        how = {"eps": radius, "eps_step": 2.5 * radius / 50, "max_iter": 50, "num_random_init": 5}
        made = ProjectedGradientDescent(classifier, norm=np.inf, batch_size=256, verbose=False, **how)
        return np.asarray(made.generate(x, y), dtype=np.float32)

    return attack


def art_ensemble(radius: float, queries: int) -> Attack:
    """ART's AutoAttack with the members that ours has."""

    def attack(classifier: Any, x: NDArray[np.float32], y: NDArray[np.int64]) -> NDArray[np.float32]:
        from art.attacks.evasion import AutoAttack, AutoProjectedGradientDescent, SquareAttack

        # ART draws from NumPy's global generator.
        np.random.seed(0)  # noqa: NPY002
        ascent = {"eps": radius, "eps_step": 2 * radius, "max_iter": 100, "nb_random_init": 1, "verbose": False}
        members = [
            AutoProjectedGradientDescent(classifier, norm=np.inf, batch_size=256, loss_type=loss, **ascent)
            for loss in ("cross_entropy", "difference_logits_ratio")
        ]
        square = SquareAttack(
            classifier, norm=np.inf, max_iter=queries, eps=radius, nb_restarts=1, batch_size=256, verbose=False
        )
        made = AutoAttack(classifier, norm=np.inf, eps=radius, attacks=[*members, square], batch_size=256)
        return np.asarray(made.generate(x, y), dtype=np.float32)

    return attack


def art_classifier(model: torch.nn.Module) -> Any:
    """``model`` as ART wants it."""
    from art.estimators.classification import PyTorchClassifier

    return PyTorchClassifier(
        model=model,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=(1, 28, 28),
        nb_classes=10,
        clip_values=(0.0, 1.0),
    )


if __name__ == "__main__":
    sys.exit(main())
