"""What the scores of dataset inference say: effects, p-values, rejections by number of images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stealproof import seeds
from stealproof.errors import InputError
from stealproof.measures.welch import Welch, smallest_p_value, welch_test

Json = Mapping[str, Any]
Kind = Literal["score", "score on its own scale", "wrong"]
Row = NDArray[np.float64]
MEASURES: dict[str, tuple[str, Kind]] = {
    "Blind Walk": ("blind walk", "score"),
    "MinGD": ("mingd", "score"),
    "misclassified or not": ("blind walk", "wrong"),
}
"""What is compared between members and non-members, by walk; the last needs one query an image and no regressor."""
LEVEL = 0.001
SIZES = (10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1000)
DRAWS = 200
CERTAIN = 0.9
"""Share of the draws that must reach the level for a number of images to suffice."""


def runs(document: Json, setting: str, *names: str) -> list[tuple[int, Json]]:
    """Seeds and suspects of a setting, in order of the seeds, as far as all of ``names`` were measured."""
    found = [
        (int(name.split()[-1]), run)
        for name, run in document["runs"].items()
        if name.rsplit(" ", 1)[0] == setting and set(names) <= set(run)
    ]
    if len(found) < 2:
        raise InputError(f"these results have fewer than 2 seeds of {setting}: {', '.join(names)}; measure them first")
    return sorted(found, key=lambda run: run[0])


def sides(suspect: Json, walk: str, kind: Kind = "score", strangers: str = "strangers") -> tuple[Row, Row]:
    """What the test compares: values of the members and of the non-members."""
    found = suspect[walk][kind]
    return np.asarray(found["members"], dtype=np.float64), np.asarray(found[strangers], dtype=np.float64)


def tested(pair: tuple[Row, Row]) -> Welch:
    """The test over all images."""
    return welch_test(pair[1], pair[0], level=LEVEL)


def effect(pair: tuple[Row, Row]) -> float:
    """Difference of the means in standard deviations; 0 where nothing varies."""
    members, strangers = pair
    spread = np.sqrt((members.var(ddof=1) + strangers.var(ddof=1)) / 2)
    return float((strangers.mean() - members.mean()) / spread) if spread > 0 else 0.0


def images_predicted(found: float) -> float:
    """Images a side with which a test of this effect reaches the level with the wanted certainty; normal theory."""
    if found <= 0:
        return np.inf
    return float(2 * ((stats.norm.isf(LEVEL) + stats.norm.ppf(CERTAIN)) / found) ** 2)


def powers(document: Json, setting: str, walk: str, kind: Kind) -> list[dict[int, float]]:
    """Those of the victims, seed by seed."""
    return [power(sides(run["victim"], walk, kind), seed) for seed, run in runs(document, setting, "victim")]


def power(pair: tuple[Row, Row], seed: int) -> dict[int, float]:
    """Share of random draws of m images a side that reach the level, by m up to what was measured."""
    found = {}
    for size in SIZES:
        if size > len(pair[0]):
            break
        rng = seeds.rng(seed, "draws", size)
        members, strangers = (np.stack([rng.choice(side, size, replace=False) for _ in range(DRAWS)]) for side in pair)
        p = np.maximum(welch_p_values(strangers, members), smallest_p_value(size, size))
        found[size] = float((p <= LEVEL).mean())
    return found


def welch_p_values(larger: Row, smaller: Row) -> Row:
    """Welch's test of each row; 1 where nothing varies."""
    with warnings.catch_warnings():
        # scipy warns of rows without spread, and answers NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ttest_ind(larger, smaller, axis=1, equal_var=False, alternative="greater").pvalue
    return np.asarray(np.where(np.isnan(found), 1.0, found))


def images_needed(shares: Mapping[int, float]) -> float:
    """The fewest images a side that suffice, on a logarithmic line between the sizes tried; infinite if none does."""
    before: tuple[int, float] | None = None
    for size, share in shares.items():
        if share >= CERTAIN:
            if before is None:
                return float(size)
            way = (CERTAIN - before[1]) / (share - before[1])
            return float(before[0] * (size / before[0]) ** way)
        before = size, share
    return np.inf


def blocks(pair: tuple[Row, Row], size: int) -> Iterator[float]:
    """p-values of disjoint sets of ``size`` images a side."""
    members, strangers = pair
    for begin in range(0, len(members) - size + 1, size):
        rows = slice(begin, begin + size)
        yield tested((members[rows], strangers[rows])).p_value


def harmonic(pair: tuple[Row, Row], seed: int, size: int = 10, draws: int = 100) -> float:
    """What the released code reports: the harmonic mean of the p-values of overlapping draws of a few images."""
    rng = seeds.rng(seed, "harmonic")
    members, strangers = (np.stack([rng.choice(side, size, replace=False) for _ in range(draws)]) for side in pair)
    return float(stats.hmean(welch_p_values(strangers, members)))
