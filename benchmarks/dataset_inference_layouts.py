"""Dataset inference: how often two layouts of its rows accuse the innocent, on simulated and on real distances.

    STEALPROOF_DATA=... python benchmarks/dataset_inference_layouts.py > results.json      (about 6 CPU-minutes)
    python benchmarks/dataset_inference_layouts.py --draw docs/images results.json

``--part`` runs one of: simulated (distances of one strong factor an image, nobody's data) and null (real distances of
perceptrons around images that none of them saw). The released layout and the right one get the same distances. JSON
goes to the standard output.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from _inference_layouts import Sides, by_image, released
from _inference_models import accuracy, white_box
from _inference_plots import draw
from _measure import machine, one_thread

from stealproof import seeds
from stealproof.data.fashion_mnist import FashionMnist
from stealproof.errors import StealproofError
from stealproof.measures.intervals import proportion
from stealproof.models.mlp import Mlp
from stealproof.roles.dataset import Dataset
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe

N = 256
"""Images a side in the comparison of layouts, half of them for the regressor."""
LEVELS = (0.05, 0.001)
PARTS = ("simulated", "null")


def main() -> int:
    """Measure and print, or draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="draw these results as SVG instead")
    parser.add_argument("results", type=Path, nargs="?", help="JSON file of an earlier run, to draw")
    arguments = parser.parse_args()
    if arguments.draw is not None:
        if arguments.results is None:
            parser.error("--draw wants a file of results")
        draw(json.loads(arguments.results.read_text()), arguments.draw)
        return 0
    try:
        data = FashionMnist().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    found: dict[str, Any] = {"machine": machine()}
    for part in arguments.part or PARTS:
        found[part] = simulated() if part == "simulated" else null(data)
    print(json.dumps(found, indent=1))
    return 0


def simulated(repetitions: int = 200) -> dict[str, Any]:
    """Distances exp(f + noise / 4): one factor f an image, ten classes, three norms of different scale."""
    tests = []
    for repetition in range(repetitions):
        rng = seeds.rng(repetition, "simulated")
        tests.append(both(_simulated_sides(rng), _simulated_sides(rng), repetition))
    return rates(tests)


def _simulated_sides(rng: np.random.Generator) -> Sides:
    factor, noise = rng.normal(size=(2, N, 1, 1)), rng.normal(size=(2, N, 3, 10)) / 4
    scale = np.array([20.0, 1.0, 0.1])[:, None]
    inside, outside = np.sort(scale * np.exp(factor + noise), axis=3)
    return Sides(members=inside, strangers=outside)


def null(data: Dataset, models: int = 10, images: int = 4096) -> dict[str, Any]:
    """Perceptrons trained on 2,000 rows each, distances around images that none of them was trained on.

    Each model splits the images into sides of its own; the splits of one model are disjoint. Model i is the victim and
    model i + 1 the suspect. The two sides are dealt by lot, so that whoever is accused is accused wrongly.
    """
    parts = [data.train.take(slice(2000 * i, 2000 * (i + 1))) for i in range(models)]
    recipe = Recipe(epochs=20, batch=64, learning_rate=0.1, weight_decay=0.0)
    networks = fit_many(Mlp(), parts, classes=data.classes, seeds=range(models), recipe=recipe)
    distances = [white_box(network, data, data.pool.take(slice(0, images))) for network in networks]
    tests = []
    for number in range(models):
        order = seeds.rng(number, "sides").permutation(images)
        for split, rows in enumerate(order.reshape(-1, 2, N)):
            pair = [
                Sides(members=found[rows[0]], strangers=found[rows[1]])
                for found in (distances[number], distances[(number + 1) % models])
            ]
            tests.append(both(pair[0], pair[1], 1000 * number + split))
    correlations = [np.corrcoef(found.reshape(images, -1), rowvar=False) for found in distances]
    return rates(tests) | {
        "mean_correlation_of_two_distances_of_an_image": float(np.nanmean(correlations)),
        "train_accuracy": [accuracy(m, p) for m, p in zip(networks, parts, strict=True)],
        "test_accuracy": [accuracy(m, data.test) for m in networks],
    }


def both(victim: Sides, suspect: Sides, seed: int) -> dict[str, dict[str, float]]:
    """The p-values of both layouts."""
    return {"released": released(victim, suspect, seed), "by image": by_image(victim, suspect, seed)}


def rates(tests: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Share of the tests that reject, with Clopper-Pearson's intervals, by layout, model and level."""
    found: dict[str, Any] = {"tests": len(tests), "images_a_side": N}
    for layout in ("released", "by image"):
        for who in ("victim", "suspect"):
            p = np.array([test[layout][who] for test in tests])
            found[f"{layout}, {who}"] = {"smallest": float(p.min())} | {
                str(level): proportion(int((p <= level).sum()), len(p)).as_dict() for level in LEVELS
            }
    return found


if __name__ == "__main__":
    sys.exit(main())
