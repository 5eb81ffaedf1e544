"""Radioactive data on FashionMNIST: how many images must be marked, how far, and what does each test see?

    STEALPROOF_DATA=... python benchmarks/radioactive_data.py [--seeds 3] [--rows 5000]

A LeNet learns images of which a tenth, half or all are marked, within 10/255 (the paper's) or 20/255. Printed, for it
and for a vanilla LeNet of the same images without marks: our p-value through answers, the paper's paired t-test of the
losses on clean and marked images, and the p-value of the opened network.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys

import numpy as np
from _measure import cpu_seconds, machine, one_thread

from stealproof.claims import Claim
from stealproof.data.fashion_mnist import FashionMnist
from stealproof.errors import StealproofError
from stealproof.models.lenet import LeNet
from stealproof.ownership.radioactive_data import RadioactiveData
from stealproof.roles.dataset import Dataset
from stealproof.training.suited import suited_recipe
from stealproof.training.trained import Trained, train

FAMILY, EPOCHS = LeNet(width=16, hidden=64), 10
SHARES, RADII = (0.1, 0.5, 1.0), (10.0, 20.0)
TESTS = ("decoys", "t-test", "opened")
Found = dict[str, dict[str, float]]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=5000)
    arguments = parser.parse_args()
    try:
        whole = FashionMnist().load()
    except StealproofError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 0
    one_thread()
    print(machine(), flush=True)
    data = dataclasses.replace(whole, parts={**whole.parts, "train": whole.train.take(slice(arguments.rows))})
    recipe = dataclasses.replace(suited_recipe(FAMILY, arguments.rows), epochs=EPOCHS)
    vanilla = [train(FAMILY, data, recipe=recipe, seed=seed) for seed in range(arguments.seeds)]
    print(f"vanilla: accuracy {np.mean([one.accuracy(data.test).value for one in vanilla]):.3f}", flush=True)
    for radius in RADII:
        for share in SHARES:
            scheme = RadioactiveData(marked=share, radius=radius)
            cells, seconds = cpu_seconds(
                lambda scheme=scheme: [one_seed(scheme, data, seed, plain) for seed, plain in enumerate(vanilla)]  # type: ignore[misc]
            )
            accuracy = np.mean([accuracy for accuracy, _ in cells])
            print(f"{share:.0%} within {radius:g}/255: accuracy {accuracy:.3f}, {seconds:.0f} CPU-s", flush=True)
            for suspect in ("marked", "vanilla"):
                words = (f"{name} {', '.join(f'{found[suspect][name]:.2g}' for _, found in cells)}" for name in TESTS)
                print(f"  {suspect}: p-values of {'; '.join(words)}", flush=True)
    return 0


def one_seed(scheme: RadioactiveData, data: Dataset, seed: int, vanilla: Trained) -> tuple[float, Found]:
    """The marked network's accuracy, and the p-values of all tests on it and on the vanilla one."""
    recipe = dataclasses.replace(suited_recipe(FAMILY, len(data.train)), epochs=EPOCHS)
    marked = train(FAMILY, data, recipe=recipe, protections=[scheme], seed=seed)
    claim = scheme.claim(marked.model)
    found = {name: p_values(scheme, claim, suspect) for name, suspect in (("marked", marked), ("vanilla", vanilla))}
    return marked.accuracy(data.test).value, found


def p_values(scheme: RadioactiveData, claim: Claim, suspect: Trained) -> dict[str, float]:
    """Of the test through answers, of the paper's t-test, and of the opened network."""
    asked = scheme.verify(claim, suspect.oracle(), level=0.01)
    published = re.search(r"t-test of the latter gives p = (\S+)", " ".join(asked.reasons))
    assert published is not None
    opening = dataclasses.replace(scheme, mode="white-box")
    opened = opening.verify(
        dataclasses.replace(claim, parameters=opening.parameters()), suspect.oracle(), model=suspect.model, level=0.01
    )
    return dict(zip(TESTS, (asked.p_value, float(published[1]), opened.p_value), strict=True))


if __name__ == "__main__":
    sys.exit(main())
