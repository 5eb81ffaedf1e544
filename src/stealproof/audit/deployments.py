"""Deployments: a choice of protections, alone, in pairs and all together, and what a criterion says of every pair."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stealproof import catalog
from stealproof.errors import IncompatibleDefenses, InputError
from stealproof.inputs.systems import parse_systems
from stealproof.interactions.conjecture import conjecture
from stealproof.interactions.criterion import DEFAULT_CRITERION, Criterion, Interaction, interaction
from stealproof.interactions.limits import ACCURACY
from stealproof.interactions.sensitivity import sensitivity
from stealproof.measures.estimate import Estimate
from stealproof.roles.training_defense import TrainingDefense, check_composition
from stealproof.studies.cards import make_cards
from stealproof.studies.conflicts import own_measures
from stealproof.studies.results import Failure, Result
from stealproof.studies.study import Study, thawed

ALL_OTHERS = "all the others"
"""What stands for the company of a protection in a deployment of three or more."""
EXPERIMENT = "deployment"
SLOW_RISKS = ("lira", "evasion_ensemble")
"""Risks that need many models or attacks; a quicker one measures the same exposure."""
QUICK_RISKS: Mapping[str, Mapping[str, Any]] = {"evasion": {"rows": 300, "steps": 20}}
"""How a first look measures a risk, where its own defaults take longer than the training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What somebody wants to deploy together."""

    data: str
    protections: tuple[str, ...]
    """Each ``name`` or ``name(key=value)``, training defenses and ownership schemes; at least 2 different ones."""
    data_parameters: Mapping[str, Any] = field(default_factory=dict)
    family: str = ""
    """Of the network; empty for the one that suits the data."""
    family_parameters: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0
    """How many of the owner's rows are trained on; 0 for all."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    quick: bool = False
    """Whether risks are measured by smaller attacks, and only on networks with a defense against them."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Which pairs to try; empty for all of them, and all protections together where there are three or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """Two protections that can't be trained together."""

    one: str
    other: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployments:
    """What will be trained, and what can't be."""

    choice: Choice
    study: Study
    pairs: tuple[tuple[str, str], ...]
    together: bool
    """Whether all protections are also deployed together."""
    own: Mapping[str, tuple[str, ...]]
    """The measures that each protection is deployed for."""
    excluded: tuple[Excluded, ...]


def plan_deployments(choice: Choice, *, name: str = "conflicts") -> Deployments:
    """The cells of ``choice``: nothing (unless quick), each protection alone, each pair, and all of three or more.

    Raises:
        InputError: fewer than two protections, the same one twice, or a value that it refuses.
        UnknownName: no such system or parameter.
    """
    made = {text: _made(text) for text in choice.protections}
    _check_choice(choice.protections)
    wanted = choice.pairs or tuple(itertools.combinations(choice.protections, 2))
    pairs: list[tuple[str, str]] = []
    excluded: list[Excluded] = []
    for one, other in wanted:
        why = _exclusion([made[one], made[other]])
        if why:
            excluded.append(Excluded(one=one, other=other, why=why))
        else:
            pairs.append((one, other))
    whole = not choice.pairs and len(choice.protections) > 2 and not _exclusion(list(made.values()))
    risks = _risks(list(made.values()), quick=choice.quick)

    def measured_on(protections: Sequence[str]) -> tuple[str, ...]:
        if not choice.quick:
            return risks
        wanted = {name for text in protections for name in _risks_of(made[text])}
        return tuple(risk for risk in risks if parse_systems(risk)[0][0] in wanted)

    own = {text: own_measures(text, risks) for text in made}
    # Nothing is judged by the network without protection; it is there to be looked at.
    plain = [] if choice.quick else [()]
    sets = [*plain, *((text,) for text in choice.protections), *pairs, *([choice.protections] if whole else [])]
    study = Study(
        name=name,
        title="Do the defenses get along?",
        experiment=EXPERIMENT,
        combinations=tuple(_arguments(choice, protections, measured_on(protections)) for protections in sets),
        seeds=choice.seeds,
    )
    return Deployments(
        choice=choice, study=study, pairs=tuple(pairs), together=whole, own=own, excluded=tuple(excluded)
    )


def report(
    plan: Deployments,
    results: Iterable[Result],
    failures: Sequence[Failure] = (),
    *,
    criterion: Criterion = DEFAULT_CRITERION,
    title: str = "Do the defenses get along?",
    command: str = "",
) -> dict[str, Any]:
    """Everything that was found, in the JSON types that ``stealproof.reports.conflicts_page`` draws."""
    found = {(tuple(r.cell.arguments["protections"]), r.cell.seed): r for r in results}
    ordered = list(found.values())
    cards = {tuple(card.arguments["protections"]): card.as_dict() for card in make_cards(plan.study, ordered)}
    judged: list[Interaction] = []
    entries: list[dict[str, Any]] = []
    failed = _failed(plan, failures)
    questions: list[tuple[str, str, tuple[str, ...]]] = [(one, other, (one, other)) for one, other in plan.pairs]
    if plan.together:
        questions += [(text, ALL_OTHERS, plan.choice.protections) for text in plan.choice.protections]
    for one, other, protections in questions:
        seeds = _shared_seeds(plan, found, one, other, protections)
        if not seeds:
            continue
        try:
            pair = _judged(plan, found, one, other, protections, seeds, criterion)
        except InputError as error:
            failed.append({"name": f"{one} with {other}", "why": str(error)})
            continue
        judged.append(pair)
        shown = {"one": (one,), "other": (other,), "together": protections}
        entries.append(
            {
                **pair.as_dict(),
                "seeds": list(seeds),
                "cards": {key: cards[place] for key, place in shown.items() if place in cards},
                "command": command_of(plan.choice, protections),
                "conjecture": _conjecture(one, other),
            }
        )
    versions = next(iter(cards.values()))["versions"] if cards else {}
    revisions = sorted({card["revision"] for card in cards.values() if card["revision"]})
    return {
        "title": title,
        "criterion": criterion.as_dict(),
        "panels": [
            {
                "data": plan.choice.data,
                "seeds": list(plan.choice.seeds),
                "interactions": entries,
                "excluded": [{"one": e.one, "other": e.other, "why": e.why} for e in plan.excluded],
                "failed": failed,
            }
        ],
        "sensitivity": [{"data": plan.choice.data, **line.as_dict()} for line in sensitivity(judged)],
        "cards": list(cards.values()),
        "versions": versions,
        "revision": ", ".join(revisions) or None,
        "cpu_seconds": sum(card["cpu_seconds"] for card in cards.values()),
        "command": command or command_of(plan.choice, plan.choice.protections),
    }


def command_of(choice: Choice, protections: Sequence[str]) -> str:
    """The command line that measures these protections again."""
    words = ["stealproof", "conflicts", *([choice.family, "--data"] if choice.family else []), choice.data]
    words += ["--with", ",".join(protections), "--seeds", str(len(choice.seeds))]
    words += [part for key, value in choice.family_parameters.items() for part in ("-p", f"{key}={value}")]
    words += [part for key, value in choice.data_parameters.items() for part in ("-d", f"{key}={value}")]
    words += ["--rows", str(choice.rows)] if choice.rows else []
    words += ["--quick"] if choice.quick else []
    return shlex.join(words)


def _made(text: str) -> Any:
    """The protection behind ``text``, which one can deploy."""
    catalog.make(EXPERIMENT, "experiment", protections=(text,)).check()
    ((name, parameters),) = parse_systems(text)
    role = "ownership" if name in catalog.names("ownership") else "training_defense"
    return catalog.make(name, role, **thawed(parameters))


def _check_choice(protections: Sequence[str]) -> None:
    names = [parse_systems(text)[0][0] for text in protections]
    if len(names) < 2:
        only = f", got only {names[0]}" if names else ""
        raise InputError(f"a conflict needs at least 2 protections{only}; name another one")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name} is named {names.count(name)} times; name each protection once")


def _exclusion(protections: Sequence[Any]) -> str:
    """Why these can't be trained together; empty when they can."""
    try:
        check_composition([one for one in protections if isinstance(one, TrainingDefense)])
    except IncompatibleDefenses as error:
        return str(error)
    return ""


def _risks(protections: Sequence[Any], *, quick: bool) -> tuple[str, ...]:
    """The risks that tell whether these do what they are for, as the experiment takes them.

    A defense that was trained for a radius is attacked within that radius, the widest one where there are several.
    """
    found: dict[str, dict[str, Any]] = {}
    for protection in protections:
        for name in _risks_of(protection):
            risk = catalog.make(name, "risk")
            parameters = found.setdefault(name, dict(QUICK_RISKS.get(name, {})) if quick else {})
            radius = getattr(protection, "radius", None)
            if radius is not None and hasattr(risk, "radius") and radius != risk.radius:
                parameters["radius"] = max(radius, parameters.get("radius", 0.0))
    return tuple(_written(name, parameters) for name, parameters in found.items())


def _risks_of(protection: Any) -> tuple[str, ...]:
    if not isinstance(protection, TrainingDefense):
        return ()
    names = [name for name in protection.protects_from if name in catalog.names("risk")]
    return tuple(name for name in names if name not in SLOW_RISKS) or tuple(names)


def _written(name: str, parameters: Mapping[str, Any]) -> str:
    """``evasion(radius=0.1)``."""
    inside = ", ".join(f"{key}={json.dumps(value)}" for key, value in sorted(parameters.items()))
    return f"{name}({inside})" if inside else name


def _arguments(choice: Choice, protections: Sequence[str], risks: Sequence[str]) -> dict[str, Any]:
    return {
        "data": choice.data,
        "data_parameters": dict(choice.data_parameters),
        **({"family": choice.family} if choice.family else {}),
        **({"family_parameters": dict(choice.family_parameters)} if choice.family_parameters else {}),
        **({"owner_rows": choice.rows} if choice.rows else {}),
        "protections": tuple(protections),
        "risks": tuple(risks),
    }


Found = Mapping[tuple[tuple[str, ...], int], Result]


def _alone(plan: Deployments, one: str, other: str) -> tuple[str, ...]:
    """The protections whose networks alone a question compares with."""
    return tuple(text for text in plan.choice.protections if text in (one, other) or other == ALL_OTHERS)


def _shared_seeds(plan: Deployments, found: Found, one: str, other: str, protections: Sequence[str]) -> tuple[int, ...]:
    needed = [tuple(protections), *((text,) for text in _alone(plan, one, other))]
    return tuple(seed for seed in plan.choice.seeds if all((key, seed) in found for key in needed))


def _judged(
    plan: Deployments,
    found: Found,
    one: str,
    other: str,
    protections: Sequence[str],
    seeds: Sequence[int],
    criterion: Criterion,
) -> Interaction:
    def values(key: tuple[str, ...], measure: str) -> list[Estimate]:
        return [found[key, seed].estimates[measure] for seed in seeds]

    def measures(text: str) -> list[str]:
        return [m for m in plan.own[text] if m in found[(text,), seeds[0]].estimates]

    alone = {
        text: {m: values((text,), m) for m in (ACCURACY, *measures(text))} for text in (one, other) if text in plan.own
    }
    if other == ALL_OTHERS:
        # The price of the costliest protection is no conflict, whichever of them it is.
        rest = [values((text,), ACCURACY) for text in plan.choice.protections if text != one]
        alone[other] = {ACCURACY: min(rest, key=lambda estimates: sum(e.value for e in estimates))}
    both = tuple(protections)
    wanted = dict.fromkeys([ACCURACY, *(m for found_alone in alone.values() for m in found_alone)])
    together = {m: values(both, m) for m in wanted}
    return interaction(one, other, alone=alone, together=together, criterion=criterion)


def _failed(plan: Deployments, failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """One entry for each set of protections and reason."""
    seen: dict[tuple[str, str], None] = {}
    for failure in failures:
        name = " with ".join(failure.cell.arguments["protections"]) or "without protection"
        seen.setdefault((name, failure.reason))
    return [{"name": name, "why": why} for name, why in seen]


def _conjecture(one: str, other: str) -> dict[str, Any] | None:
    """What the stage rule says of a pair without training; None where it has nothing to say."""
    if ALL_OTHERS in (one, other):
        return None
    found = conjecture(*(parse_systems(text)[0][0] for text in (one, other)))
    return {**found.as_dict(), "sentence": f"{found.guess} by the stage rule: {found.reason}."}
