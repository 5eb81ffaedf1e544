"""Queries per second through a local inference server: binary tensors against JSON, as a ratio of one run.

    python benchmarks/http_oracle.py [--inputs 2000] [--batch 64] [--rounds 5]

The server is the tests' own and lives in the same process, and its model is one matrix product, so that what is timed
is the encoding, both ways, and the HTTP between. The rounds alternate; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.oracles.http import HttpOracle

SHAPES = {"tabular (30)": (30,), "image (1, 28, 28)": (1, 28, 28), "image (3, 32, 32)": (3, 32, 32)}
CLASSES = 10


def main() -> None:
    """Print a table of queries per second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{options.inputs} inputs in batches of {options.batch}, median of {options.rounds} rounds, queries/s")
    print(f"{'input':<20}{'JSON':>12}{'binary':>12}{'ratio':>8}")
    for name, shape in SHAPES.items():
        slow, fast = measure(shape, options.inputs, options.batch, options.rounds)
        print(f"{name:<20}{slow:>12,.0f}{fast:>12,.0f}{fast / slow:>7.1f}x")


def measure(shape: tuple[int, ...], inputs: int, batch: int, rounds: int) -> tuple[float, float]:
    """Queries per second with JSON and with binary tensors."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(int(np.prod(shape)), CLASSES)).astype(np.float32) / np.prod(shape) ** 0.5
    x = rng.random((inputs, *shape), dtype=np.float32)

    def answer(queries: NDArray[Any]) -> dict[str, NDArray[Any]]:
        exponents = np.exp(queries.reshape(len(queries), -1) @ weights)
        return {"probabilities": exponents / exponents.sum(axis=1, keepdims=True)}

    server = load_server()(answer, shape=(-1, *shape), outputs=[("probabilities", "FP32", (-1, CLASSES))])
    try:
        oracles = [HttpOracle(server.url, binary=binary, batch=batch) for binary in (False, True)]
        rates: list[list[float]] = [[], []]
        for _ in range(rounds):
            for oracle, found in zip(oracles, rates, strict=True):
                start = time.perf_counter()
                oracle.ask(x)
                found.append(inputs / (time.perf_counter() - start))
    finally:
        server.stop()
    return statistics.median(rates[0]), statistics.median(rates[1])


def load_server() -> Any:
    """The class of the tests' server, which is no part of the package."""
    path = Path(__file__).parents[1] / "tests" / "oracles" / "v2_server.py"
    spec = importlib.util.spec_from_file_location("v2_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.V2Server


if __name__ == "__main__":
    main()
