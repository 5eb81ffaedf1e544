"""Dataset inference: how many images it takes, whom it accuses wrongly, and whom it misses; one row an image.

    STEALPROOF_DATA=... python benchmarks/dataset_inference_power.py --out power.json      (about 20 CPU-minutes)
    python benchmarks/dataset_inference_power.py --out power.json --draw docs/images

FashionMNIST (and MNIST for the model of other data), perceptrons of 128 units. Blind Walk and MinGD measure each model
once; every number of the tables is then computed from the scores. A run is written to ``--out`` when it is done, and
not repeated when it is there already. ``--draw`` writes the plots and prints the tables instead.
"""

from __future__ import annotations

import argparse
import json
import sys
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
    suspects,
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
            if f"{name} {seed}" not in document["runs"]:
                document["runs"][f"{name} {seed}"] = measured(data, other, SETTINGS[name], seed)
                arguments.out.write_text(json.dumps(document))
                print(f"{name}, seed {seed}: done", file=sys.stderr)
    return 0


def measured(data: Dataset, other: Dataset, setting: Setting, seed: int) -> dict[str, Any]:
    """Scores of all suspects of one seed, by suspect and walk."""
    rows = Rows.deal(data.train, setting, seed)
    official = data.test.take(seeds.rng(seed, "official").permutation(len(data.test))[:IMAGES])
    verify = slice(FIT, FIT + IMAGES)
    sides = {"members": rows.own.take(verify), "strangers": rows.strangers.take(verify), "official": official}
    found: dict[str, Any] = {}
    for name, model in suspects(data, other, rows, setting, seed):
        if name == "victim":
            black, white = owners_regressors(model, data, rows, seed)
        walks = {
            side: black_box(model, data, part, seeds.rng(seed, "judge", name, side)) for side, part in sides.items()
        }
        descents = {
            side: white_box(model, data, sides[side].take(slice(0, GRADIENT_IMAGES)))
            for side in ("members", "strangers")
        }
        own = Sides(members=descents["members"], strangers=descents["strangers"]).take(slice(0, LAYOUT_IMAGES))
        if name == "victim":
            victims = own
        found[name] = {
            "train_accuracy": accuracy(model, rows.own),
            "test_accuracy": accuracy(model, data.test),
            "blind walk": scored(black, walks),
            "mingd": scored(white, descents),
            "released": released(victims, own, seed)["suspect"],
            "by image": by_image(victims, own, seed)["suspect"],
        }
    return found


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
    """Scores by side on the victim's scale and on the suspect's own, and which images are misclassified."""
    flat = {side: distances.reshape(len(distances), -1) for side, distances in sides.items()}
    both = np.concatenate([flat["members"], flat["strangers"]])
    spread = both.std(axis=0)
    rescaled = regressor | {"mean": both.mean(axis=0), "scale": np.where(spread > 0, spread, 1.0)}
    return {
        "score": {side: np.round(scores(regressor, rows), 5).tolist() for side, rows in flat.items()},
        "score on its own scale": {side: np.round(scores(rescaled, rows), 5).tolist() for side, rows in flat.items()},
        "wrong": {side: (rows == 0).all(axis=1).astype(int).tolist() for side, rows in flat.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
