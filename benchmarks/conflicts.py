"""What sharing saves in the conflict study: one seed with the study's store, against every measure on its own.

    python benchmarks/conflicts.py [--data fashion_mnist] [--seed 0]

Shared: as `stealproof reproduce conflicts` runs it, each network trained once, each risk of a network measured once.
Alone: for each combination a run for the claims and one for each risk, each of which trains its network anew. Both in
one process of one thread; the private accountant's tables are warm for both after the first private run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from stealproof.studies.library import shipped
from stealproof.studies.store import Store
from stealproof.studies.study import Cell
from stealproof.studies.workshop import Workshop


def seconds(arguments: Mapping[str, Any], seed: int, workshop: Workshop) -> float:
    """CPU time of one cell."""
    start = time.process_time()
    Cell(experiment="deployment", arguments=arguments, seed=seed).make().run(seed=seed, workshop=workshop)
    return time.process_time() - start


def forgetful(folder: Path, like: Mapping[str, Any]) -> Workshop:
    """A workshop with an empty store, whose data are read already."""
    workshop = Workshop(Store(folder))
    workshop.dataset(like["data"], like.get("data_parameters"))
    return workshop


def main() -> None:
    """Print both costs and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fashion_mnist")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    study = shipped("conflicts")
    combinations = [c for c in study.combinations if c["data"] == given.data]
    with tempfile.TemporaryDirectory() as folder:
        workshop = forgetful(Path(folder), combinations[0])
        shared = [seconds(c, given.seed, workshop) for c in combinations]
    alone, runs = 0.0, 0
    for arguments in combinations:
        for risks in [[], *([risk] for risk in arguments["risks"])]:
            with tempfile.TemporaryDirectory() as folder:
                workshop = forgetful(Path(folder), arguments)
                alone += seconds({**arguments, "risks": risks}, given.seed, workshop)
                runs += 1
    print(f"{given.data}, seed {given.seed}: {len(combinations)} combinations")
    print(f"shared: {sum(shared):.0f} CPU-s; every measure on its own: {alone:.0f} CPU-s in {runs} runs")
    print(f"ratio {alone / sum(shared):.2f}")


if __name__ == "__main__":
    main()
