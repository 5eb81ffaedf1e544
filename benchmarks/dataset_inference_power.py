"""Dataset inference: how many images it takes, whom it accuses wrongly, and whom it misses; one row an image.

    STEALPROOF_DATA=... python benchmarks/dataset_inference_power.py --out power.json      (about 20 CPU-minutes)
    python benchmarks/dataset_inference_power.py --out power.json --draw docs/images

FashionMNIST (and MNIST for the model of other data), perceptrons of 128 units. Blind Walk and MinGD measure each model
once; every number of the tables is then computed from the scores. Each suspect is written to ``--out`` when it is done,
and not measured again when it is there already. ``--draw`` writes the plots and prints the tables instead.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _inference_layouts import Sides, by_image, released
from _inference_models import (
    FIT,
    GRADIENT_IMAGES,
    IMAGES,
    SETTINGS,
    Rows,
    Setting,
    accuracy,
    black_box,
    suspect,
    victim_of,
    white_box,
)
from _inference_power_plots import draw_power
from _inference_tables import tables
from _measure import machine, one_thread
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.data.fashion_mnist import FashionMnist
from stealproof.data.mnist import Mnist
from stealproof.errors import StealproofError
from stealproof.ownership._margin_regressor import fit_regressor, scores
from stealproof.roles.dataset import Dataset, Part

LAYOUT_IMAGES = 256
"""Images a side that both layouts get."""
Regressor = dict[str, NDArray[np.float64]]


def main() -> int:
    """Measure what is missing in ``--out``, or show what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setting", choices=SETTINGS, action="append", help="only these")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--suspects", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--out", type=Path, default=Path("dataset_inference_power.json"))
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="show what is in --out instead of measuring")
    arguments = parser.parse_args()
    if arguments.draw is not None:
        document = json.loads(arguments.out.read_text())
        draw_power(document, arguments.draw)
        print(tables(document))
        return 0
    try:
        data, other = FashionMnist().load(), Mnist().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    document = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"machine": machine(), "runs": {}}
    for seed in arguments.seeds:
        for name in arguments.setting or SETTINGS:
            run = document["runs"].setdefault(f"{name} {seed}", {})
            wanted = [who for who in arguments.suspects or SETTINGS[name].suspects if who not in run]
            for who, found in measured(data, other, SETTINGS[name], seed, wanted):
                run[who] = found
                arguments.out.write_text(json.dumps(document))
                print(f"{name}, seed {seed}: {who}", file=sys.stderr)
    return 0


def measured(
    data: Dataset, other: Dataset, setting: Setting, seed: int, wanted: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Scores of the wanted suspects of one seed, by side and walk."""
    if not wanted:
        return
    rows = Rows.deal(data.train, setting, seed)
    official = data.test.take(seeds.rng(seed, "official").permutation(len(data.test))[:IMAGES])
    verify = slice(FIT, FIT + IMAGES)
    sides = {"members": rows.own.take(verify), "strangers": rows.strangers.take(verify), "official": official}

    def descended(model: torch.nn.Module) -> dict[str, NDArray[np.float64]]:
        pair = ("members", "strangers")
        return {side: white_box(model, data, sides[side].take(slice(0, GRADIENT_IMAGES))) for side in pair}

    victim = victim_of(data, rows, setting, seed)
    black, white = owners_regressors(victim, data, rows, seed)
    victims_descents = descended(victim)
    victims = Sides(**victims_descents).take(slice(0, LAYOUT_IMAGES))
    for name in wanted:
        model = suspect(name, victim, data, other, rows, setting, seed)
        descents = victims_descents if model is victim else descended(model)
        walks = {
            side: black_box(model, data, part, seeds.rng(seed, "judge", name, side)) for side, part in sides.items()
        }
        own = Sides(**descents).take(slice(0, LAYOUT_IMAGES))
        yield (
            name,
            {
                "train_accuracy": accuracy(model, rows.own),
                "test_accuracy": accuracy(model, data.test),
                "blind walk": scored(black, walks) | {"wrong": misclassified(walks)},
                "mingd": scored(white, descents),
                "released": released(victims, own, seed)["suspect"],
                "by image": by_image(victims, own, seed)["suspect"],
            },
        )


def owners_regressors(victim: torch.nn.Module, data: Dataset, rows: Rows, seed: int) -> tuple[Regressor, Regressor]:
    """What the owner learns from both walks around images that verify nothing."""
    parts: dict[str, Part] = {side: getattr(rows, side).take(slice(0, FIT)) for side in ("own", "strangers")}
    walks = [black_box(victim, data, part, seeds.rng(seed, "owner", side)) for side, part in parts.items()]
    descents = [white_box(victim, data, part) for part in parts.values()]
    black, white = (
        fit_regressor(
            *(side.reshape(FIT, -1) for side in pair),
            rate=0.1,
            iterations=1000,
            generator=seeds.generator(seed, "regressor"),
        )
        for pair in (walks, descents)
    )
    return black, white


def scored(regressor: Regressor, sides: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Scores by side on the victim's scale and on the suspect's own."""
    flat = {side: distances.reshape(len(distances), -1) for side, distances in sides.items()}
    both = np.concatenate([flat["members"], flat["strangers"]])
    spread = both.std(axis=0)
    rescaled = regressor | {"mean": both.mean(axis=0), "scale": np.where(spread > 0, spread, 1.0)}
    return {
        "score": {side: np.round(scores(regressor, rows), 5).tolist() for side, rows in flat.items()},
        "score on its own scale": {side: np.round(scores(rescaled, rows), 5).tolist() for side, rows in flat.items()},
    }


def misclassified(walks: dict[str, NDArray[np.float64]]) -> dict[str, list[int]]:
    """Which images lose their label before the first step of Blind Walk, by side."""
    return {side: (found == 0).all(axis=(1, 2)).astype(int).tolist() for side, found in walks.items()}


if __name__ == "__main__":
    sys.exit(main())
