"""From measured thefts to curves: means over seeds with intervals, the best thief per access, paired differences."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stealproof.measures.estimate import Estimate
from stealproof.measures.paired import Comparison, paired_difference
from stealproof.measures.seeds_and_rows import seeds_and_rows

FRACTIONS = frozenset({"accuracy", "victim_accuracy", "fidelity", "uniform_fidelity", "tv", "uniform_tv"})
"""Estimates that cannot leave 0..1, so that their intervals are cut there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured theft: what one cell of the audit's study found."""

    attack: str
    access: str
    """As the command line writes it: ``labels``, ``top-3``, ``probabilities:2``."""
    budget: int
    seed: int
    estimates: Mapping[str, Estimate]
    """As ``stealproof.attacks.outcome.Examiner`` names them."""
    queries: int
    """Inputs sent to the victim, at most ``budget``."""
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One budget of one curve, over seeds."""

    budget: int
    queries: float
    """Mean queries spent over seeds."""
    cost: float
    """``queries`` times the price of one."""
    cpu_seconds: float
    """Mean processor time of the thief over seeds."""
    seeds: tuple[int, ...]
    estimates: Mapping[str, Estimate]

    @property
    def fidelity(self) -> Estimate:
        """Agreement with the victim on held-out inputs, else on uniform ones."""
        return self.estimates["fidelity"] if "fidelity" in self.estimates else self.estimates["uniform_fidelity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Fidelity against queries for one attack under one access."""

    attack: str
    access: str
    points: tuple[Point, ...]
    """In order of budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How much more one thief gets than another at the same budget, paired by seed."""

    budget: int | None
    """None for the mean over all budgets that both were measured at."""
    richer: str
    """Attack and access of the first thief, for instance ``knockoff_nets with probabilities``."""
    poorer: str
    comparison: Comparison
    """Of fidelity; positive means that the first thief gets more."""


def curves_of(rows: Iterable[Row], *, price: float) -> tuple[Curve, ...]:
    """The curves behind ``rows``, in order of first appearance; ``price`` is that of one query."""
    cells: dict[tuple[str, str], dict[int, list[Row]]] = {}
    for row in rows:
        cells.setdefault((row.attack, row.access), {}).setdefault(row.budget, []).append(row)
    return tuple(
        Curve(
            attack=attack,
            access=access,
            points=tuple(_point(budget, budgets[budget], price) for budget in sorted(budgets)),
        )
        for (attack, access), budgets in cells.items()
    )


def _point(budget: int, rows: Sequence[Row], price: float) -> Point:
    names = [name for name in rows[0].estimates if all(name in row.estimates for row in rows)]
    queries = sum(row.queries for row in rows) / len(rows)
    return Point(
        budget=budget,
        queries=queries,
        cost=queries * price,
        cpu_seconds=sum(row.cpu_seconds for row in rows) / len(rows),
        seeds=tuple(sorted(row.seed for row in rows)),
        estimates={
            name: seeds_and_rows([row.estimates[name] for row in rows], fraction=name in FRACTIONS) for name in names
        },
    )


def strongest(curves: Iterable[Curve], access: str, limit: float = math.inf) -> tuple[Curve, Point] | None:
    """The curve and point of highest mean fidelity under ``access`` among budgets up to ``limit``; None if none is."""
    found = [
        (curve, point)
        for curve in curves
        for point in curve.points
        if curve.access == access and min(point.budget, math.ceil(point.queries)) <= limit
    ]
    return max(found, key=lambda pair: (pair[1].fidelity.value, -pair[1].queries), default=None)


def best_thief_gaps(rows: Sequence[Row], richer: str, poorer: str) -> tuple[Gap, ...]:
    """What ``richer`` answers give the best thief over the best thief with ``poorer`` ones, budget by budget.

    The last gap is the mean over the budgets, which no choice among them has flattered. Needs two seeds in common;
    empty otherwise.
    """
    curves = curves_of(rows, price=0.0)
    values = {(row.attack, row.access, row.budget, row.seed): row for row in rows}
    seeds = sorted({row.seed for row in rows})
    budgets = sorted({row.budget for row in rows})
    gaps: list[Gap] = []
    over_budgets: dict[int, list[tuple[float, float]]] = {}
    for budget in budgets:
        best = [strongest(curves, access, budget) for access in (richer, poorer)]
        if best[0] is None or best[1] is None:
            continue
        (rich_curve, rich_point), (poor_curve, poor_point) = best[0], best[1]
        pairs = {
            seed: (
                _fidelity(values[rich_curve.attack, richer, rich_point.budget, seed]),
                _fidelity(values[poor_curve.attack, poorer, poor_point.budget, seed]),
            )
            for seed in seeds
            if seed in rich_point.seeds and seed in poor_point.seeds
        }
        if len(pairs) < 2:
            continue
        gaps.append(
            Gap(
                budget=budget,
                richer=f"{rich_curve.attack} with {richer}",
                poorer=f"{poor_curve.attack} with {poorer}",
                comparison=fidelity_gain([p[0] for p in pairs.values()], [p[1] for p in pairs.values()]),
            )
        )
        for seed, pair in pairs.items():
            over_budgets.setdefault(seed, []).append(pair)
    means = [pairs for pairs in over_budgets.values() if len(pairs) == len(gaps)]
    if len(means) >= 2:
        gaps.append(
            Gap(
                budget=None,
                richer=f"best thief with {richer}",
                poorer=f"best thief with {poorer}",
                comparison=fidelity_gain(*([sum(p[side] for p in m) / len(m) for m in means] for side in (0, 1))),
            )
        )
    return tuple(gaps)


def fidelity_gain(one: Sequence[float], other: Sequence[float]) -> Comparison:
    """The paired difference of two fidelities by seed, whose interval cannot leave -1..1."""
    found = paired_difference(one, other)
    d = found.difference
    return dataclasses.replace(found, difference=dataclasses.replace(d, low=max(-1.0, d.low), high=min(1.0, d.high)))


def _fidelity(row: Row) -> float:
    estimates = row.estimates
    return (estimates["fidelity"] if "fidelity" in estimates else estimates["uniform_fidelity"]).value
