"""The plan: which thefts of the catalog fit a model, and why the others are left out.

No attack is named here. Every registered extraction, third-party ones included, says by its class attributes which
answers it accepts, which victims it steals and whether it needs inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stealproof import catalog
from stealproof.errors import BudgetExceeded, InputError
from stealproof.inputs.oracle import parse_access
from stealproof.roles.extraction import Extraction

LABELS = "labels"
LARGEST = 10_000
"""Most queries of a budget that nobody asked for: the largest one of the library's own FashionMNIST studies."""
STEPS = 3
"""Budgets on a curve that nobody asked for; a fourth, below, was too few inputs for any seed to agree with another."""
RATIO = 3
"""Each of them is this many times the one before."""
MULTIPLES = (10, 100, 1000)
"""An attack made for one kind of model gets this many times d + 1 queries for d inputs, as Tramèr et al. 2016 count.

Solving for a linear model takes 1 (it stops there), labels alone about 100, a layer of ReLU units 2 for each unit.
"""
LARGEST_EXACT = 100_000
"""Most queries of such an attack that nobody asked for. It makes up its inputs, and stops when it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One attack under one access, at some budgets."""

    attack: str
    access: str
    budgets: tuple[int, ...]
    pool: str
    """As the theft experiment takes it: ``own``, ``none`` or a data set."""
    asked: str
    """The access that it is run with: ``labels`` where the attack looks at nothing else, so that it is run once."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One attack that is not tried, and the reason."""

    attack: str
    access: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that will be tried, and everything that will not."""

    planned: tuple[Planned, ...]
    left_out: tuple[LeftOut, ...] = ()


def make_plan(
    *,
    kinds: Iterable[str],
    accesses: Sequence[str],
    inputs: int,
    pool: str,
    pool_rows: int,
    budgets: Sequence[int] = (),
    attacks: Sequence[str] = (),
) -> Plan:
    """The thefts that fit.

    Args:
        kinds: what the model is, in the words of ``Extraction.victims``; empty when that is not known.
        accesses: as the command line writes them.
        inputs: numbers in one input of the model.
        pool: the thief's inputs, as the theft experiment takes them; ``none`` when there are none.
        pool_rows: how many there are.
        budgets: each at least 1; empty for those that suit each attack.
        attacks: only these; they are tried even on a kind of model that they were not made for. Empty for all.

    Raises:
        UnknownName: an attack that is not in the catalog.
        InputError: nothing fits, though attacks were named.
    """
    names = [catalog.find(name, "extraction").name for name in attacks] or list(catalog.names("extraction"))
    planned: list[Planned] = []
    left_out: list[LeftOut] = []
    for name in dict.fromkeys(names):
        attack = catalog.load(name, "extraction")
        assert issubclass(attack, Extraction)
        for access in accesses:
            reason = _misfit(attack, access, set(kinds), pool, asked=bool(attacks))
            fitting = _budgets(attack, budgets, inputs, pool_rows)
            if reason is None and not fitting:
                reason = f"needs one input of the pool for each query, which has {pool_rows:,}"
            if reason is not None:
                left_out.append(LeftOut(attack=name, access=access, why=reason))
                continue
            asked = LABELS if attack.labels_only else access
            why = _fit(attack, pool) + ("; looks at labels only" if attack.labels_only and access != LABELS else "")
            planned.append(Planned(attack=name, access=access, budgets=fitting, pool=pool, asked=asked, why=why))
    if attacks and not planned:
        raise InputError(f"no attack that you named fits: {'; '.join(f'{o.attack} {o.why}' for o in left_out)}")
    return Plan(planned=tuple(planned), left_out=tuple(left_out))


def _budgets(attack: type[Extraction], given: Sequence[int], inputs: int, pool_rows: int) -> tuple[int, ...]:
    if attack.victims in ("any", "network"):
        wanted = tuple(given) or usual_budgets(pool_rows)
    else:
        wanted = tuple(given) or tuple(min(multiple * (inputs + 1), LARGEST_EXACT) for multiple in MULTIPLES)
    bound_by_pool = attack.needs_pool and not attack.synthesizes
    return tuple(sorted({budget for budget in wanted if not bound_by_pool or budget <= pool_rows}))


def usual_budgets(pool_rows: int) -> tuple[int, ...]:
    """``STEPS`` budgets, each ``RATIO`` times the one before, up to the pool's size or ``LARGEST``."""
    largest = min(pool_rows, LARGEST) if pool_rows else LARGEST
    return tuple(sorted({max(1, math.ceil(largest / RATIO**step)) for step in range(STEPS)}))


def check_budgets(budgets: Iterable[int]) -> tuple[int, ...]:
    """``budgets`` in ascending order.

    Raises:
        BudgetExceeded: a budget below 1.
    """
    found = tuple(sorted(set(budgets)))
    if found and found[0] < 1:
        raise BudgetExceeded(f"budget must be at least 1 query, got {found[0]}")
    return found


def _misfit(attack: type[Extraction], access: str, kinds: set[str], pool: str, *, asked: bool) -> str | None:
    answer = parse_access(access).answer
    if answer not in attack.accepts:
        return f"needs {' or '.join(sorted(attack.accepts))}"
    if not asked and attack.victims != "any" and attack.victims not in kinds:
        known = " or ".join(sorted(kinds)) or "a model of unknown kind"
        return f"steals a {attack.victims} only, and this is {known}"
    if attack.needs_pool and pool == "none":
        return "needs a pool of inputs, and there is none"
    return None


def _fit(attack: type[Extraction], pool: str) -> str:
    victims = "any classifier" if attack.victims == "any" else f"a {attack.victims}"
    inputs = "makes its own inputs" if not attack.needs_pool else f"queries with the pool ({pool})"
    if attack.needs_pool and attack.synthesizes:
        inputs = f"starts from the pool ({pool}) and makes further inputs"
    return f"steals {victims}; {inputs}"
