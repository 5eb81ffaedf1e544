"""Which protections of a study get along: its cards, pair by pair, against its criterion.

A pair is a combination of exactly two protections, both of which also stand alone in the same setting. The first pair
of two systems is the one in question; later ones, which differ in parameters only, are attempts to rescue it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stealproof import catalog
from stealproof.errors import InputError
from stealproof.inputs.systems import parse_systems
from stealproof.interactions.conjecture import conjecture
from stealproof.interactions.criterion import DEFAULT_CRITERION, Interaction, interaction
from stealproof.interactions.limits import ACCURACY, Criterion
from stealproof.interactions.sensitivity import sensitivity
from stealproof.interactions.sentence import sentence
from stealproof.roles.risk import Risk
from stealproof.roles.training_defense import TrainingDefense
from stealproof.studies.cards import distinguished
from stealproof.studies.results import plain
from stealproof.studies.study import Study

Json = Mapping[str, Any]
OF_A_SCHEME = ("effect", "detected")
"""Estimates of an ownership scheme that a criterion judges."""
RESCUES = "attempts to rescue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two protections in one setting."""

    setting: str
    """What tells this setting from the study's others, for instance the data set."""
    interaction: Interaction
    seeds: tuple[int, ...]
    """Those that all three combinations finished."""
    cards: Mapping[str, Json]
    """``one``, ``other`` and ``together``."""
    rescue: bool
    """Whether an earlier pair of the same systems exists, so that this one tries other parameters."""

    @property
    def systems(self) -> frozenset[str]:
        """The names of both, without parameters."""
        return frozenset((_name(self.interaction.one), _name(self.interaction.other)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """A pair that the cards don't tell enough about."""

    setting: str
    one: str
    other: str
    why: str


def interactions(study: Study, cards: Sequence[Json]) -> list[Interaction]:
    """What the criterion says of every pair, in the study's order; see ``pairs``."""
    return [pair.interaction for pair in pairs(study, cards)[0]]


def pairs(study: Study, cards: Sequence[Json]) -> tuple[list[Pair], list[Unjudged]]:
    """Every pair of the study, judged, and those that can't be.

    Args:
        study: with combinations that differ in ``protections``, and a criterion (else the default one).
        cards: as ``Card.as_dict`` gives them, fresh or recorded, with ``by_seed``.
    """
    criterion = study.criterion or DEFAULT_CRITERION
    ordered = [(_setting(c), tuple(c.get("protections", ()))) for c in map(plain, study.combinations)]
    found: dict[Any, Json | None] = {(_key(setting), frozenset(having)): None for setting, having in ordered}
    for card in cards:
        arguments = plain(card["arguments"])
        found[_key(_setting(arguments)), frozenset(arguments.get("protections", ()))] = card
    names = _names([setting for setting, _ in ordered])
    judged: list[Pair] = []
    unjudged: list[Unjudged] = []
    seen: set[tuple[str, frozenset[str]]] = set()
    for setting, having in ordered:
        if len(having) != 2:
            continue
        one, other = having
        place = _key(setting)
        systems = place, frozenset(map(_name, having))
        rescue = systems in seen
        seen.add(systems)
        try:
            trio = {
                "one": _card(found, place, (one,)),
                "other": _card(found, place, (other,)),
                "together": _card(found, place, having),
            }
            verdict, seeds = _judged(one, other, trio, tuple(setting.get("risks", ())), criterion)
        except InputError as error:
            unjudged.append(Unjudged(setting=names[place], one=one, other=other, why=str(error)))
        else:
            judged.append(Pair(setting=names[place], interaction=verdict, seeds=seeds, cards=trio, rescue=rescue))
    return judged, unjudged


def conflict_report(study: Study, cards: Sequence[Json]) -> dict[str, Any]:
    """Everything that was found, in the JSON types that ``stealproof.reports.conflicts_page`` draws.

    One panel for each setting, with its attempts at rescue in a panel of their own behind it.
    """
    judged, unjudged = pairs(study, cards)
    criterion = study.criterion or DEFAULT_CRITERION
    panels = []
    settings = dict.fromkeys([pair.setting for pair in judged] + [pair.setting for pair in unjudged])
    for setting in settings:
        mine = [pair for pair in judged if pair.setting == setting]
        failed = [
            {"name": f"{pair.one} with {pair.other}", "why": pair.why} for pair in unjudged if pair.setting == setting
        ]
        tried = [pair for pair in mine if pair.rescue]
        panels.append(_panel(study, setting, [pair for pair in mine if not pair.rescue], tried, failed))
        if tried:
            panels.append(_panel(study, f"{setting}, {RESCUES}", tried, [], []))
    versions = cards[0]["versions"] if cards else {}
    revisions = sorted({card["revision"] for card in cards if card["revision"]})
    lines = [
        {"data": setting, **line.as_dict()}
        for setting in settings
        for line in sensitivity(p.interaction for p in judged if p.setting == setting and not p.rescue)
    ]
    return {
        "title": study.title,
        "criterion": criterion.as_dict(),
        "panels": panels,
        "sensitivity": lines,
        "versions": versions,
        "revision": ", ".join(revisions) or None,
        "cpu_seconds": sum(card["cpu_seconds"] for card in cards),
        "command": f"stealproof reproduce {study.name}",
    }


def own_measures(protection: str, risks: Sequence[str]) -> tuple[str, ...]:
    """What ``protection`` is deployed for: a scheme's signal and proof, or the headlines of risks that it lowers.

    Args:
        protection: ``name`` or ``name(key=value, ...)``.
        risks: those that were measured, written likewise.
    """
    name = _name(protection)
    if name in catalog.names("ownership"):
        return tuple(f"{name}.{estimate}" for estimate in OF_A_SCHEME)
    kind = catalog.load(name, "training_defense")
    assert issubclass(kind, TrainingDefense)
    found = []
    for risk in map(_name, risks):
        if risk in kind.protects_from:
            measured = catalog.load(risk, "risk")
            assert issubclass(measured, Risk)
            found.append(f"{risk}.{measured.headline}")
    return tuple(found)


def _panel(
    study: Study, setting: str, shown: Sequence[Pair], tried: Sequence[Pair], failed: Sequence[Json]
) -> dict[str, Any]:
    return {
        "data": setting,
        "seeds": list(study.seeds),
        "interactions": [
            _entry(study, pair, [other for other in tried if other.systems == pair.systems]) for pair in shown
        ],
        "excluded": [],
        "failed": list(failed),
    }


def _entry(study: Study, pair: Pair, tried: Sequence[Pair]) -> dict[str, Any]:
    one, other = pair.interaction.one, pair.interaction.other
    guess = conjecture(_name(one), _name(other))
    return {
        **pair.interaction.as_dict(),
        "sentence": sentence(pair.interaction, [(_difference(pair, rescue), rescue.interaction) for rescue in tried]),
        "seeds": list(pair.seeds),
        "cards": dict(pair.cards),
        "command": f"stealproof reproduce {study.name}",
        "conjecture": {**guess.as_dict(), "sentence": f"{guess.guess} by the stage rule: {guess.reason}."},
    }


def _difference(pair: Pair, rescue: Pair) -> str:
    """What a rescue does otherwise: the protections that are written differently."""
    before = {pair.interaction.one, pair.interaction.other}
    after = (rescue.interaction.one, rescue.interaction.other)
    return " with ".join(protection for protection in after if protection not in before)


def _judged(
    one: str, other: str, trio: Mapping[str, Json], risks: Sequence[str], criterion: Criterion
) -> tuple[Interaction, tuple[int, ...]]:
    seeds = tuple(s for s in trio["together"]["seeds"] if all(s in card["seeds"] for card in trio.values()))
    if not seeds:
        raise InputError("no seed finished both alone and together; run the study to its end")
    alone = {
        name: {
            measure: _values(trio[side], measure, seeds)
            for measure in (ACCURACY, *own_measures(name, risks))
            if criterion.limit(measure) is not None
        }
        for name, side in ((one, "one"), (other, "other"))
    }
    together = {
        measure: _values(trio["together"], measure, seeds) for measure in {m for own in alone.values() for m in own}
    }
    return interaction(one, other, alone=alone, together=together, criterion=criterion), seeds


def _values(card: Json, measure: str, seeds: Sequence[int]) -> list[float]:
    kept = card.get("by_seed", {})
    if measure not in kept:
        raise InputError(f"the card {card['name']!r} keeps no value of {measure} for each seed; compute it again")
    by_seed = dict(zip(card["seeds"], kept[measure], strict=True))
    return [float(by_seed[seed]) for seed in seeds]


def _card(found: Mapping[Any, Json | None], place: str, having: Sequence[str]) -> Json:
    card = found.get((place, frozenset(having)))
    if card is None:
        names = " with ".join(having)
        where = "was not measured" if (place, frozenset(having)) in found else "is no combination of the study"
        raise InputError(f"{names}{' alone' if len(having) == 1 else ''} {where}")
    return card


def _setting(arguments: Json) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key != "protections"}


def _key(setting: Json) -> str:
    import json

    return json.dumps(setting, sort_keys=True)


def _names(settings: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What each setting is called: its data set, or what tells it from others of the same data set."""
    distinct = {_key(setting): setting for setting in settings}
    data = [str(setting.get("data", "")) for setting in distinct.values()]
    if len(set(data)) < len(data):
        data = distinguished(list(distinct.values()))
    return dict(zip(distinct, data, strict=True))


def _name(protection: str) -> str:
    return parse_systems(protection)[0][0]
