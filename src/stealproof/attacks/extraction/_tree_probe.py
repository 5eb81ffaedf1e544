"""Asking a tree which leaf an input reaches, and where along a line it reaches another one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.roles.extraction import Theft


class OutOfQueries(Exception):
    """The budget is spent; what was found so far stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A stretch of one line on which every answer is the same."""

    low: float
    high: float
    """Between the last point inside and the first point outside, or the end of the line."""
    first: float
    last: float
    """The outermost points inside that were asked."""
    inside: float
    """A point inside that was asked, away from the ends where there is one; an end of the line if it is inside."""
    node: int


class TreeProbe:
    """Remembers every answer, so that no input is paid for twice, and numbers the nodes that it has met."""

    def __init__(self, theft: Theft, *, epsilon: float, reuse_thresholds: bool) -> None:
        """``epsilon`` is the width, in units of the input, to which thresholds are located."""
        self.distributions: list[NDArray[np.float64]] = []
        """The distribution over classes of each node, by its number."""
        self._theft = theft
        self._epsilon = epsilon
        self._seen: dict[bytes, int] = {}
        self._numbers: dict[bytes, int] = {}
        self._thresholds: dict[int, set[tuple[float, float]]] = {}
        self._reuse = reuse_thresholds

    def nodes(self, x: NDArray[np.float64]) -> list[int]:
        """The number of the node that each row of ``(n, d)`` reaches; new rows cost one query each.

        Raises:
            OutOfQueries: the budget does not cover the new rows; those that it does cover are remembered.
        """
        keys = [row.tobytes() for row in x]
        new = {key: row for key, row in zip(keys, x, strict=True) if key not in self._seen}
        affordable = list(new.items())[: self._theft.remaining()]
        if affordable:
            self._ask(affordable)
        if len(affordable) < len(new):
            raise OutOfQueries
        return [self._seen[key] for key in keys]

    def node(self, x: NDArray[np.float64]) -> int:
        """The number of the node that one input ``(d,)`` reaches."""
        return self.nodes(x[None])[0]

    def _ask(self, rows: list[tuple[bytes, NDArray[np.float64]]]) -> None:
        oracle = self._theft.oracle
        answers = self._theft.ask(np.stack([row for _, row in rows]).reshape(-1, *oracle.domain.shape))
        shown = np.nan_to_num(np.asarray(answers.scores, dtype=np.float64), nan=-1.0)
        distributions = answers.distributions(oracle.classes, oracle.access)
        for (key, _), label, scores, distribution in zip(rows, answers.predicted, shown, distributions, strict=True):
            identity = int(label).to_bytes(8, "little") + scores.tobytes()
            number = self._numbers.setdefault(identity, len(self._numbers))
            if number == len(self.distributions):
                self.distributions.append(distribution)
            self._seen[key] = number

    def lines(self, x: NDArray[np.float64], ranges: dict[int, tuple[float, float]]) -> dict[int, list[Interval]]:
        """All intervals along lines through ``x`` (d,), one line for each feature and range in ``ranges``.

        Halves whose ends reach the same node are not looked into: in a tree whose leaves answer differently, a line
        meets a leaf in one piece. Columns with listed levels are asked at every level instead. The lines are searched
        side by side, so that a round is one batch.
        """
        points = {feature: self._first_points(x, feature, ends) for feature, ends in ranges.items()}
        answers: dict[tuple[int, float], int] = {}
        tried: dict[int, set[tuple[float, float]]] = {feature: set() for feature in ranges}
        wanted = [(feature, value) for feature, values in points.items() for value in values]
        while wanted:
            rows = np.repeat(x[None], len(wanted), axis=0)
            for row, (feature, value) in zip(rows, wanted, strict=True):
                row[feature] = value
            answers.update(zip(wanted, self.nodes(rows), strict=True))
            wanted = []
            for feature, values in points.items():
                if feature not in self._theft.oracle.domain.levels:
                    found = self._next_points(feature, values, answers, tried[feature])
                    wanted += [(feature, value) for value in found]
                    values += found
                    values.sort()
        return {feature: self._intervals(feature, values, answers) for feature, values in points.items()}

    def learn(self, x: NDArray[np.float64], node: int) -> None:
        """Remember what ``x`` (d,) reaches without asking, since it lies between inputs that reach the same node."""
        self._seen.setdefault(x.tobytes(), node)

    def nearest_level(self, feature: int, value: float) -> float:
        """``value``, or the nearest of the values that this column takes, if they are listed."""
        levels = self._theft.oracle.domain.levels.get(feature)
        return value if levels is None else min(levels, key=lambda level: abs(level - value))

    def _first_points(self, x: NDArray[np.float64], feature: int, ends: tuple[float, float]) -> list[float]:
        levels = self._theft.oracle.domain.levels.get(feature)
        if levels is not None:
            return sorted(level for level in levels if ends[0] <= level <= ends[1])
        own = [] if np.isnan(x[feature]) else [float(x[feature])]
        return sorted({*ends, *own})

    def _next_points(
        self,
        feature: int,
        values: list[float],
        answers: dict[tuple[int, float], int],
        tried: set[tuple[float, float]],
    ) -> list[float]:
        """Where to ask next on one line: between neighbours that differ, first around a threshold known elsewhere."""
        found: list[float] = []
        for a, b in itertools.pairwise(values):
            if answers[feature, a] == answers[feature, b] or b - a <= self._epsilon:
                continue
            middle = (a + b) / 2
            known = [
                pair
                for pair in self._thresholds.get(feature, ())
                if self._reuse and a <= pair[0] and pair[1] <= b and pair not in tried
            ]
            if known:
                pair = min(known, key=lambda ends: (abs(ends[0] - middle), ends))
                tried.add(pair)
                found += [value for value in pair if a < value < b]
            else:
                found.append(middle)
        return found

    def _intervals(self, feature: int, values: list[float], answers: dict[tuple[int, float], int]) -> list[Interval]:
        runs: list[list[float]] = []
        for value in values:
            if runs and answers[feature, runs[-1][-1]] == answers[feature, value]:
                runs[-1].append(value)
            else:
                runs.append([value])
        intervals = []
        for place, run in enumerate(runs):
            before = runs[place - 1][-1] if place else None
            after = runs[place + 1][0] if place + 1 < len(runs) else None
            if after is not None and feature not in self._theft.oracle.domain.levels:
                self._thresholds.setdefault(feature, set()).add((run[-1], after))
            inside = run[0] if before is None else run[-1] if after is None else run[len(run) // 2]
            intervals.append(
                Interval(
                    low=run[0] if before is None else (before + run[0]) / 2,
                    high=run[-1] if after is None else (run[-1] + after) / 2,
                    first=run[0],
                    last=run[-1],
                    inside=inside,
                    node=answers[feature, run[0]],
                )
            )
        return intervals


def holding(intervals: list[Interval], value: Any) -> Interval:
    """The interval among ``intervals`` that holds the asked point ``value``."""
    return next(interval for interval in intervals if interval.first <= value <= interval.last)
