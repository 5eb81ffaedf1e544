"""Which protections of a study get along: its cards, pair by pair, against its criterion.

A pair is a combination of exactly two protections, both of which also stand alone in the same setting. The first pair
of two systems on some data is the one in question; later ones, which differ in parameters or in another setting (longer
training), are attempts to rescue it.
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
from stealproof.studies.study import Study, described

Json = Mapping[str, Any]
Place = tuple[dict[str, Any], tuple[str, ...]]
"""Setting and protections of a combination."""
OF_A_SCHEME = ("effect", "detected")
"""Estimates of an ownership scheme that a criterion judges."""
RESCUES = "attempts to rescue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two protections in one setting."""

    data: str
    setting: Mapping[str, Any]
    """The other arguments of all three combinations."""
    interaction: Interaction
    seeds: tuple[int, ...]
    """Those that all three combinations finished."""
    cards: Mapping[str, Json]
    """``one``, ``other`` and ``together``."""
    rescue: bool
    """Whether an earlier pair of the same systems on the same data exists, so that this one tries something else."""
    tries: str = ""
    """What a rescue does otherwise, in the words of the study."""

    @property
    def systems(self) -> frozenset[str]:
        """The names of both, without parameters."""
        return frozenset((_name(self.interaction.one), _name(self.interaction.other)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """A pair that the cards don't tell enough about."""

    data: str
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
    first: dict[tuple[str, frozenset[str]], Place] = {}
    for setting, having in ordered:
        if len(having) != 2:
            continue
        one, other = having
        place, data = _key(setting), names[_key(setting)]
        question = first.setdefault((data, frozenset(map(_name, having))), (setting, having))
        try:
            trio = {
                "one": _card(found, place, (one,)),
                "other": _card(found, place, (other,)),
                "together": _card(found, place, having),
            }
            verdict, seeds = _judged(one, other, trio, tuple(setting.get("risks", ())), criterion)
        except InputError as error:
            unjudged.append(Unjudged(data=data, one=one, other=other, why=str(error)))
        else:
            judged.append(
                Pair(
                    data=data,
                    setting=setting,
                    interaction=verdict,
                    seeds=seeds,
                    cards=trio,
                    rescue=question != (setting, having),
                    tries=_difference(question, (setting, having)),
                )
            )
    return judged, unjudged


def conflict_report(study: Study, cards: Sequence[Json]) -> dict[str, Any]:
    """Everything that was found, in the JSON types that ``stealproof.reports.conflicts_page`` draws.

    One panel for each data set, with the attempts at rescue in panels of their own behind it.
    """
    judged, unjudged = pairs(study, cards)
    criterion = study.criterion or DEFAULT_CRITERION
    panels = []
    names = dict.fromkeys([pair.data for pair in judged] + [pair.data for pair in unjudged])
    for data in names:
        mine = [pair for pair in judged if pair.data == data]
        failed = [{"name": f"{pair.one} with {pair.other}", "why": pair.why} for pair in unjudged if pair.data == data]
        tried = [pair for pair in mine if pair.rescue]
        asked = [pair for pair in mine if not pair.rescue]
        panels.append(_panel(study, data, asked, tried, failed))
        # The same two may be tried in several settings, each of which is a table of its own.
        for setting in dict.fromkeys(_key(pair.setting) for pair in tried):
            here = [pair for pair in tried if _key(pair.setting) == setting]
            changed = _changed(asked[0].setting, here[0].setting) if asked else []
            panels.append(_panel(study, ", ".join([data, RESCUES, *changed]), here, [], []))
    versions = cards[0]["versions"] if cards else {}
    revisions = sorted({card["revision"] for card in cards if card["revision"]})
    lines = [
        {"data": data, **line.as_dict()}
        for data in names
        for line in sensitivity(pair.interaction for pair in judged if pair.data == data and not pair.rescue)
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
    study: Study, title: str, shown: Sequence[Pair], tried: Sequence[Pair], failed: Sequence[Json]
) -> dict[str, Any]:
    return {
        "data": title,
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
        "sentence": sentence(pair.interaction, [(rescue.tries, rescue.interaction) for rescue in tried]),
        "seeds": list(pair.seeds),
        "cards": dict(pair.cards),
        "command": f"stealproof reproduce {study.name}",
        "conjecture": {**guess.as_dict(), "sentence": f"{guess.guess} by the stage rule: {guess.reason}."},
    }


def _difference(question: Place, attempt: Place) -> str:
    """What an attempt does otherwise: the protections that are written differently, and the setting."""
    protections = [protection for protection in attempt[1] if protection not in question[1]]
    return " with ".join([*protections, *_changed(question[0], attempt[0])])


def _changed(before: Json, after: Json) -> list[str]:
    """What is described differently, without the tables around it: ``epochs=30``."""
    old = described(before)
    return [
        part.rpartition(".")[2] if "." in part.partition("=")[0] else part
        for part in described(after)
        if part not in old
    ]


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
            if _judgeable(trio[side], measure, criterion)
        }
        for name, side in ((one, "one"), (other, "other"))
    }
    together = {
        measure: _values(trio["together"], measure, seeds) for measure in {m for own in alone.values() for m in own}
    }
    return interaction(one, other, alone=alone, together=together, criterion=criterion), seeds


def _judgeable(card: Json, measure: str, criterion: Criterion) -> bool:
    """Whether there is a limit; of a signal that is not even there alone no share can be lost, the proof decides."""
    limit = criterion.limit(measure)
    return limit is not None and not (limit.relative and card["measures"].get(measure, {}).get("value", 1.0) <= 0)


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
    """The data set of each setting; with its parameters where the same one stands with several."""
    data = {_key(s): {"data": s.get("data", ""), "data_parameters": s.get("data_parameters", {})} for s in settings}
    distinct = {_key(one): one for one in data.values()}
    names = [str(one["data"]) for one in distinct.values()]
    if len(set(names)) < len(names):
        names = distinguished(list(distinct.values()))
    by_data = dict(zip(distinct, names, strict=True))
    return {key: by_data[_key(one)] for key, one in data.items()}


def _name(protection: str) -> str:
    return parse_systems(protection)[0][0]
