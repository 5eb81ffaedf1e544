"""Running an audit: open the model, plan the thefts, run them as cells of studies, and write down what came of it.

Cells are kept in the study store as they finish, so that a second run goes on where Ctrl-C stopped the first.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stealproof import catalog
from stealproof.audit.conflicts import conflicts, plan_conflicts
from stealproof.audit.controls import check_declared
from stealproof.audit.curves import Row
from stealproof.audit.disputes import with_disputes
from stealproof.audit.document import Settings, document
from stealproof.audit.liars import liars, plan_liars
from stealproof.audit.plan import Plan, check_budgets, make_plan
from stealproof.audit.proofs import plan_proofs, proofs
from stealproof.audit.subject import REMOTE_ROWS, Subject, open_subject, spelled
from stealproof.audit.threats import threat_map
from stealproof.errors import InputError, StealproofError
from stealproof.inputs.oracle import parse_access
from stealproof.studies.cards import make_cards
from stealproof.studies.executor import Executor
from stealproof.studies.results import Failure, Result
from stealproof.studies.run import run_cells
from stealproof.studies.sources import versions
from stealproof.studies.store import Store
from stealproof.studies.study import Study
from stealproof.studies.workshop import Workshop

ARCHITECTURE = "not known: the surrogate is the small network that suits the inputs"
REFERENCE = "independent"
"""Catalog name of the experiment that trains a model of one's own."""
OWNERS = ("dispute", "framing", "deployment")
"""Catalog names of the experiments that test what the owner may do: honest claims, false ones, and several defenses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller wants audited."""

    model: str = ""
    """A family of the catalog (trained first), a model file, a URL or ``package.module:function``; empty for digits."""
    model_parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of a family's constructor."""
    data: str = ""
    """The data that the model is for; empty for digits, or for what the model's card says."""
    data_parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of the data set, or of the reader of the caller's own data."""
    target_options: Mapping[str, Any] = field(default_factory=dict)
    """Of the oracle of a URL or ONNX file: ``softmax``, ``batch``, ..."""
    accesses: tuple[str, ...] = ()
    """What clients see, first; then what else to compare. Empty for all that the model gives. Labels always join."""
    budgets: tuple[int, ...] = ()
    attacks: tuple[str, ...] = ()
    seeds: int = 3
    seed: int = 0
    """The first of the seeds, and the victim's."""
    price_per_query: float = 0.001
    pool: str = "own"
    """The thief's inputs: ``own``, ``none`` or another data set."""
    proofs: bool = True
    """Whether to try ownership schemes, by training the model again with each of them, and to rehearse false claims."""
    disputes: tuple[Mapping[str, Any], ...] = ()
    """Verdicts on models that the owner suspects, as ``stealproof.audit.disputes`` takes them."""
    declared: Mapping[str, str] = field(default_factory=dict)
    """Controls that the owner says are in place, by name, in their words."""

    def check(self) -> None:
        """Refuse what no audit could start with, before anything is opened."""
        if not (math.isfinite(self.price_per_query) and self.price_per_query >= 0):
            raise InputError(f"the price of a query must be at least 0, got {self.price_per_query:g}")
        if self.seeds < 1:
            raise InputError(f"an audit needs at least 1 seed, got {self.seeds}")
        if self.pool == "noise":
            raise InputError("noise is no pool to audit with; expected own, none or a data set")
        check_declared(self.declared)
        check_budgets(self.budgets)
        for access in self.accesses:
            parse_access(access)
        for name in self.attacks:
            catalog.find(name, "extraction")


def audit(
    request: Request,
    *,
    store: Store | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """The whole audit as one JSON object, see ``stealproof.audit.document``.

    Raises:
        InputError: something in the request is wrong; nothing was computed.
        StealproofError: no theft came to its end.
        KeyboardInterrupt: Ctrl-C; finished cells are kept.
    """
    start = time.perf_counter()
    request.check()
    store = store or Store()
    workshop = Workshop(store)
    tell = progress or (lambda what, share: None)
    subject = open_subject(
        request.model,
        request.data,
        workshop,
        model_parameters=request.model_parameters,
        data_parameters=request.data_parameters,
        target_options=request.target_options,
        seed=request.seed,
        progress=tell,
    )
    settings, plan = _planned(request, subject, workshop)
    proof_plan = plan_proofs(subject, settings.seeds, wanted=request.proofs)
    liar_plan = plan_liars(subject, settings.seeds, wanted=request.proofs)
    conflict_plan = plan_conflicts(subject, settings.seeds, wanted=request.proofs)
    studies = (*_studies(plan, subject, settings), proof_plan.study, liar_plan.study, conflict_plan.study)
    # The first seed first, so that a rough answer stands early; long thefts first, so that no worker waits at the end.
    cells = sorted((c for study in studies for c in study.cells()), key=lambda c: (c.seed, -_budget(c.arguments)))
    found, failures, _ = run_cells(cells, name="audit", store=store, executor=executor, progress=tell)
    planned = [(study.experiment, arguments) for study in studies for arguments in study.combinations]
    results = sorted(found, key=lambda r: (planned.index((r.cell.experiment, r.cell.arguments)), r.cell.seed))
    by_study = [[r for r in results if r.cell.experiment == study.experiment] for study in studies]
    thefts, references, disputes, _, deployed = by_study
    cards = [
        [card.as_dict() for card in make_cards(study, found)] for study, found in zip(studies, by_study, strict=True)
    ]
    of_disputes, of_liars, of_deployments = ([f for f in failures if f.cell.experiment == name] for name in OWNERS)
    if plan.planned and not thefts:
        raise StealproofError(f"no theft came to its end; the first one: {failures[0].reason}")
    declared = parse_access(settings.access)
    target = subject.target()
    return document(
        target=target,
        settings=settings,
        access=declared,
        threats=threat_map(
            access=declared,
            classes=target.classes,
            pool=settings.pool,
            architecture=ARCHITECTURE,
            largest_budget=max(settings.budgets, default=0),
            labelled_test=target.accuracy is not None,
        ),
        plan=plan,
        rows=_rows(plan, thefts),
        reference=[_row(result) for result in references],
        failures=_failures(plan, [f for f in failures if f.cell.experiment not in OWNERS]),
        ownership=with_disputes(proofs(proof_plan, cards[2], disputes, of_disputes), request.disputes),
        framing=liars(liar_plan, cards[3], of_liars),
        conflicts=conflicts(conflict_plan, deployed, of_deployments),
        declared=request.declared,
        cards=[card for found in cards for card in found],
        environment={
            **versions(),
            "wall_seconds": round(time.perf_counter() - start, 1),
            "cpu_seconds": round(sum(result.cpu_seconds for result in results), 1),
        },
    )


def _planned(request: Request, subject: Subject, workshop: Workshop) -> tuple[Settings, Plan]:
    given = request.accesses or (spelled(subject.oracle.access),)
    for access in given:
        subject.open(parse_access(access))
    rows = _pool_rows(request.pool, subject, workshop)
    pool = request.pool if rows else "none"
    plan = make_plan(
        kinds=subject.kinds,
        accesses=tuple(dict.fromkeys([*given, "labels"])),
        inputs=math.prod(subject.oracle.domain.shape),
        pool=pool,
        pool_rows=rows,
        budgets=check_budgets(request.budgets),
        attacks=request.attacks,
    )
    settings = Settings(
        access=given[0],
        accesses=tuple(dict.fromkeys([*given, "labels"])),
        budgets=tuple(sorted({budget for planned in plan.planned for budget in planned.budgets})),
        seeds=tuple(range(request.seed, request.seed + request.seeds)),
        price_per_query=request.price_per_query,
        pool=_pool_in_words(pool, rows),
    )
    return settings, plan


def _pool_rows(pool: str, subject: Subject, workshop: Workshop) -> int:
    if pool == "none":
        return 0
    if pool == "own":
        return len(subject.data.pool) if "pool" in subject.data.parts else 0
    return len(workshop.pool(pool, subject.data).x)


def _pool_in_words(pool: str, rows: int) -> str:
    if pool == "none":
        return "none: the thief makes up every input"
    if pool == "own":
        return f"{rows:,} unlabelled inputs of the same kind as the owner's, none of which the owner trained on"
    return f"{rows:,} unlabelled inputs of another kind ({pool})"


def _studies(plan: Plan, subject: Subject, settings: Settings) -> tuple[Study, Study]:
    """The thefts, and the independent models that they are compared with."""
    # The examiner's inputs cost as much as the thief's on a metered server, so there are fewer of them.
    common = dict(subject.arguments) | ({"uniform": 0, "examined": REMOTE_ROWS} if subject.remote else {})
    thefts: list[dict[str, Any]] = []
    for planned in plan.planned:
        for budget in planned.budgets:
            theft = {
                **common,
                "attack": planned.attack,
                "access": planned.asked,
                "budget": budget,
                "pool": planned.pool,
            }
            if theft not in thefts:
                thefts.append(theft)
    parts = subject.data.parts
    labelled = len(parts["pool"]) if "pool" in parts and "test" in parts else 0
    sizes = [budget for budget in settings.budgets if budget <= labelled]
    honest = tuple({**common, "rows": rows} for rows in sizes)
    seeds = settings.seeds
    return (
        Study(name="audit", title="Thefts", experiment="theft", combinations=tuple(thefts), seeds=seeds),
        Study(name="audit", title="Independent models", experiment=REFERENCE, combinations=honest, seeds=seeds),
    )


def _rows(plan: Plan, thefts: Sequence[Result]) -> list[Row]:
    """One row for each access that was planned; an attack that looks at labels only gives the same in all of them."""
    return [
        dataclasses.replace(_row(result), access=access)
        for result in thefts
        for access in _stands_for(plan, result.cell.arguments)
    ]


def _stands_for(plan: Plan, arguments: Mapping[str, Any]) -> list[str]:
    """The accesses that a cell was run for."""
    asked = (arguments.get("attack", REFERENCE), arguments.get("access", "no queries"))
    return [planned.access for planned in plan.planned if (planned.attack, planned.asked) == asked] or [asked[1]]


def _row(result: Result) -> Row:
    arguments, estimates = result.cell.arguments, dict(result.estimates)
    queries, seconds = estimates.pop("queries", None), estimates.pop("cpu_seconds", None)
    return Row(
        attack=arguments.get("attack", REFERENCE),
        access=arguments.get("access", "no queries"),
        budget=_budget(arguments),
        seed=result.cell.seed,
        estimates=estimates,
        queries=0 if queries is None else round(queries.value),
        cpu_seconds=result.cpu_seconds if seconds is None else seconds.value,
    )


def _budget(arguments: Mapping[str, Any]) -> int:
    """Queries of a theft, rows of an independent model, queries of the thief in a dispute; else 0."""
    return int(next((arguments[key] for key in ("budget", "rows", "theft_budget") if key in arguments), 0))


def _failures(plan: Plan, failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """One entry for each attack, access and reason, with its budgets and the number of cells."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for failure in failures:
        arguments = failure.cell.arguments
        attack, access = arguments.get("attack", REFERENCE), " and ".join(_stands_for(plan, arguments))
        fresh = {"attack": attack, "access": access, "reason": failure.reason, "budgets": [], "cells": 0}
        entry = found.setdefault((attack, access, failure.reason), fresh)
        entry["cells"] += 1
        entry["budgets"] = sorted({*entry["budgets"], _budget(arguments)})
    return list(found.values())
