"""Walks to the decision boundary, ours against Amulet's: CPU time of MinGD on the same model, images and steps.

    pip install --no-deps amuletml==0.6.0 tqdm     (this benchmark only)
    STEALPROOF_DATA=... python benchmarks/boundary_walks.py [--repeats 5]

FashionMNIST, a LeNet of 312,028 parameters trained for 1 epoch on 20,000 rows. As in the inner call of Amulet's
``DatasetInference``: 256 test images, 1 target class, 20 steps, each of the three norms, one thread, float32. Then what
the walks found, and a whole feature extraction: all classes and norms, up to 100 steps ten times as long, where walks
end as they flip.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import io
import sys
import types
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from _measure import cpu_seconds, machine, one_thread, ratio, shown
from numpy.typing import NDArray

from stealproof.data.fashion_mnist import FashionMnist
from stealproof.errors import StealproofError
from stealproof.models.lenet import LeNet
from stealproof.oracle import Domain
from stealproof.ownership import _gradient_walks as walks
from stealproof.ownership._boundary_walks import NORMS
from stealproof.ownership._gradient_walks import STEP, gradient_walk
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe

IMAGES, STEPS, TARGET = 256, 20, 0
PIXELS = 100
LONG, STRIDE = 100, 10.0
DOMAIN = Domain(shape=(1, 28, 28))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    peer = amulet_dataset_inference()
    if peer is None:
        print("skipped: pip install --no-deps amuletml==0.6.0 tqdm", file=sys.stderr)
        return 0
    try:
        data = FashionMnist().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    recipe = Recipe(epochs=1, batch=128, optimizer="muon", learning_rate=0.05, weight_decay=0.0)
    model = fit(LeNet(hidden=182), data.train.take(slice(0, 20_000)), classes=10, recipe=recipe)
    x = data.test.x[:IMAGES]
    # Whichever class is left out as an image's own, one target remains for each: the same for all of them.
    away = data.test.y[:IMAGES] != TARGET
    x, y = x[away], data.test.y[:IMAGES][away]
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{len(x)} images that are not of class {TARGET}, a network of {parameters} parameters", flush=True)
    inner(peer, model, x, arguments.repeats)
    whole(peer, model, x, y)
    return 0


def inner(peer: Any, model: torch.nn.Module, x: torch.Tensor, repeats: int) -> None:
    """One target class, few steps: nearly every walk goes to the end, so that only the work of a step counts."""
    spent: dict[str, list[float]] = {"Amulet": [], "float32": [], "auto": []}
    ended: dict[str, dict[str, NDArray[np.float64]]] = {}
    for repeat in range(-1, repeats):
        seconds = dict.fromkeys(spent, 0.0)
        for norm in NORMS:
            works = {
                "Amulet": partial(amulet_walk, peer, model, x, norm, TARGET, STEPS, 1.0),
                "float32": partial(our_walk, model, x, norm, "float32"),
                "auto": partial(our_walk, model, x, norm, "auto"),
            }
            for name, work in works.items():
                ended.setdefault(norm, {})[name], cost = cpu_seconds(work)
                seconds[name] += cost
        # The first round warms caches up.
        if repeat >= 0:
            for name, cost in seconds.items():
                spent[name].append(cost)
    print(f"{STEPS} steps to class {TARGET} in {len(NORMS)} norms: Amulet {np.mean(spent['Amulet']):.2f} CPU-s")
    for name in ("float32", "auto"):
        times = shown(ratio(spent["Amulet"], spent[name]), 1)
        print(f"  ours, precision {name}: {np.mean(spent[name]):.2f} CPU-s, {times} times less", flush=True)
    for norm, walked in ended.items():
        print(f"  {norm}: median distance " + ", ".join(f"{n} {np.median(d):.4f}" for n, d in walked.items()))


def whole(peer: Any, model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """All classes and norms, with walks that are left as they flip."""

    def peers() -> NDArray[np.float64]:
        walks = [[amulet_walk(peer, model, x, norm, t, LONG, STRIDE) for t in range(10)] for norm in NORMS]
        return np.array(walks).transpose(2, 0, 1)

    def mine() -> NDArray[np.float64]:
        distances = gradient_walk(
            model,
            x.numpy(),
            y.numpy(),
            domain=DOMAIN,
            norms=NORMS,
            targets=10,
            steps=LONG,
            stride=STRIDE,
            pixels=PIXELS,
            precision="auto",
            report=lambda share: None,
        )
        return distances.reshape(len(x), len(NORMS), -1)

    theirs, their_cpu = cpu_seconds(peers)
    ours, our_cpu = cpu_seconds(mine)
    print(
        f"all classes, up to {LONG} steps of {STRIDE:g} times the length: Amulet {their_cpu:.1f} CPU-s, ours"
        f" {our_cpu:.1f}, {their_cpu / our_cpu:.1f} times less (one run)"
    )
    others = np.arange(10)[None] != y.numpy()[:, None]
    for number, norm in enumerate(NORMS):
        found = np.sort(theirs[:, number][others].reshape(len(x), -1), axis=1)
        together = np.corrcoef(found.ravel(), ours[:, number].ravel())[0, 1]
        medians = np.median(found), np.median(ours[:, number])
        print(f"  {norm}: median distance {medians[0]:.4f} and {medians[1]:.4f}, correlation {together:.3f}")


def our_walk(
    model: torch.nn.Module, x: torch.Tensor, norm: str, precision: Literal["auto", "float32"]
) -> NDArray[np.float64]:
    """Our walk of every image to one class, distances ``(n,)``; the public walk chooses its classes by itself."""
    network, placement = walks.frozen(model, precision)
    reached = walks.descend(
        network,
        placement,
        x,
        torch.full((len(x),), TARGET),
        domain=DOMAIN,
        norm=norm,
        steps=STEPS,
        length=STEP[norm],
        pixels=PIXELS,
    )
    order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
    return np.asarray(np.linalg.norm((reached - x).flatten(1).numpy().astype(np.float64), ord=order, axis=1))


def amulet_walk(
    peer: Any, model: torch.nn.Module, x: torch.Tensor, norm: str, target: int, steps: int, stride: float
) -> NDArray[np.float64]:
    """Amulet's, with the paper's sizes of steps."""
    instance = peer(
        model,
        model,
        None,
        None,
        10,
        "cpu",
        "2D",
        alpha_l1=stride,
        alpha_l2=STEP["l2"] * stride,
        alpha_linf=STEP["linf"] * stride,
        k=PIXELS,
        num_iter=steps,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        # Its method is private, hence the mangled name.
        delta = instance._DatasetInference__mingd(model, x, norm, torch.full((len(x),), target))
    order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
    return np.asarray(np.linalg.norm(delta.flatten(1).numpy().astype(np.float64), ord=order, axis=1))


def amulet_dataset_inference() -> Any:
    """Amulet's class, loaded without the rest of its package, which wants torchvision, pandas and more; or None."""
    found = importlib.util.find_spec("amulet")
    if found is None or found.origin is None or importlib.util.find_spec("tqdm") is None:
        return None
    folder = types.ModuleType("amulet_ownership")
    folder.__path__ = [str(Path(found.origin).parent / "unauth_model_ownership" / "defenses")]
    sys.modules[folder.__name__] = folder
    return importlib.import_module(f"{folder.__name__}.fingerprint").DatasetInference


if __name__ == "__main__":
    sys.exit(main())
