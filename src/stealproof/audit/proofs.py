"""Proofs: which ownership schemes would hold for the audited model, at what price in accuracy, against which thief."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stealproof import catalog
from stealproof.audit._words import in_words
from stealproof.audit.subject import Subject
from stealproof.reports.matrix import INNOCENT, Matrix, Row, count, judged, make_matrix, percents
from stealproof.roles.architecture import NetworkFamily
from stealproof.studies.results import Failure, Result
from stealproof.studies.study import Study
from stealproof.studies.table import Table

SCHEMES = ("derived_triggers", "adi2018", "dawn", "dataset_inference")
"""Two watermarks of the weights, one of the answers, one fingerprint: those whose null distribution is known exactly,
so that no control models have to be trained."""
SUSPECTS = ("victim", "knockoff_nets", "fine_tuning(layers=all)", "independent_other_half")
"""A careless thief, one at the API, one who washes, and somebody innocent."""
LEVEL = 0.01
LARGEST = 10_000
"""Most queries of the thief, and most answers that are marked."""
WASHED_WITH = 5_000
"""Most rows that a suspect washes with."""
TABLE = Table(
    rows=("scheme",),
    columns="suspect",
    measure="detected",
    beside="accuracy_loss",
    doubt="inconclusive",
    spread="log10_p",
    once="price",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """Schemes that are not tried, and the reason."""

    schemes: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPlan:
    """The disputes that will be held, and what is left out."""

    study: Study
    left_out: tuple[Unproven, ...]


def plan_proofs(subject: Subject, seeds: Sequence[int], *, wanted: bool) -> ProofPlan:
    """Disputes about a model like ``subject``, which is trained again with each scheme."""
    reason = obstacle(subject) if wanted else "not asked for"
    others = tuple(name for name in catalog.names("ownership") if name not in SCHEMES)
    left_out = [Unproven(schemes=SCHEMES, why=reason)] if reason else []
    if others and not reason:
        why = "needs control models, or more time than an audit has; see `stealproof reproduce ownership`"
        left_out.append(Unproven(schemes=others, why=why))
    combinations = () if reason else tuple(_dispute(subject, scheme, s) for scheme in SCHEMES for s in SUSPECTS)
    study = Study(
        name="audit",
        title="Ownership",
        experiment="dispute",
        combinations=combinations,
        seeds=tuple(seeds),
        table=TABLE,
    )
    return ProofPlan(study=study, left_out=tuple(left_out))


def obstacle(subject: Subject) -> str:
    """Why no scheme can be tried on this model; empty when they can."""
    family = subject.arguments.get("victim")
    if family is None:
        return (
            "the model is finished, and a scheme is tried by training the model again with it;"
            " `stealproof protect` enrolls a fingerprint of a model file"
        )
    if not issubclass(catalog.load(family, "model"), NetworkFamily):
        return "the schemes mark neural networks, and this is none"
    missing = [part for part in ("pool", "test") if part not in subject.data.parts]
    return f"the data have no {' and no '.join(missing)} part" if missing else ""


def _dispute(subject: Subject, scheme: str, suspect: str) -> dict[str, Any]:
    given = subject.arguments
    rows = len(subject.data.pool)
    return {
        "data": given["data"],
        "data_parameters": dict(given.get("data_parameters", {})),
        "family": given["victim"],
        "family_parameters": dict(given.get("victim_parameters", {})),
        "scheme": scheme,
        "suspect": suspect,
        "theft_budget": min(rows, LARGEST),
        "suspect_rows": min(rows, WASHED_WITH),
        "level": LEVEL,
    }


def proofs(
    plan: ProofPlan,
    cards: Sequence[Mapping[str, Any]],
    results: Sequence[Result] = (),
    failures: Sequence[Failure] = (),
) -> dict[str, Any]:
    """The section of the report in JSON types; ``schemes`` is empty when nothing was measured.

    ``results`` are the cells behind ``cards``, which hold the judge's reasons.
    """
    measured = [card for card in cards if TABLE.measure in card["measures"]]
    left_out = [{"schemes": list(entry.schemes), "why": entry.why} for entry in plan.left_out]
    for name, why in dict.fromkeys((str(f.cell.arguments["scheme"]), f.reason) for f in failures):
        left_out.append({"schemes": [name], "why": f"failed: {why}"})
    if not measured:
        return {"level": LEVEL, "suspects": [], "schemes": [], "findings": [], "left_out": left_out}
    matrix = make_matrix(measured, TABLE)
    doubts: dict[tuple[Any, Any], str] = {}
    for result in results:
        if result.estimates["inconclusive"].value and result.details.get("reasons"):
            doubts.setdefault(_place(result.cell.arguments), result.details["reasons"][-1])
    schemes = [_scheme(matrix, row, doubts) for row in matrix.rows]
    return {
        "level": LEVEL,
        "suspects": [{"name": c.value, "label": c.label, "kind": c.group} for c in matrix.columns],
        "schemes": schemes,
        "findings": _findings(schemes, matrix),
        "left_out": left_out,
    }


def _place(arguments: Mapping[str, Any]) -> tuple[Any, Any]:
    return arguments["scheme"], arguments["suspect"]


def _scheme(matrix: Matrix, row: Row, doubts: Mapping[tuple[Any, Any], str]) -> dict[str, Any]:
    places: list[dict[str, Any] | None] = []
    for column, entry in zip(matrix.columns, row.entries, strict=True):
        if entry is None:
            places.append(None)
            continue
        innocent = column.group == INNOCENT
        tone, word = judged(entry, matrix.level, innocent=innocent)
        places.append(
            {
                "suspect": column.label,
                "innocent": innocent,
                "tone": tone,
                "word": word,
                "detected": entry.estimate,
                "count": count(entry.estimate),
                "interval": percents(entry.estimate),
                "accuracy_loss": entry.beside,
                "inconclusive": entry.doubt,
                "doubt": doubts.get(_place(entry.card["arguments"]), "") if entry.doubt else "",
                "log10_p": list(entry.spread),
            }
        )
    return {
        "name": row.name,
        "summary": catalog.find(row.name, "ownership").summary,
        "price": row.once,
        "places": places,
    }


def _findings(schemes: Sequence[Mapping[str, Any]], matrix: Matrix) -> list[str]:
    """One sentence a scheme, the most useful one first."""
    ordered = sorted(schemes, key=lambda scheme: (-_worth(scheme), _price(scheme)))
    seeds = "the one seed" if matrix.seeds == 1 else f"all {matrix.seeds} seeds"
    sentences = []
    for scheme in ordered:
        guilty = [place for place in scheme["places"] if place and not place["innocent"]]
        held = [place["suspect"] for place in guilty if place["word"] == "held"]
        others = [
            f"{place['suspect']} ({place['word']}, {place['count']})" for place in guilty if place["word"] != "held"
        ]
        doubts = list(dict.fromkeys(place["doubt"] for place in guilty if place["word"] == "unsure" and place["doubt"]))
        accused = [p["suspect"] for p in scheme["places"] if p and p["innocent"] and p["detected"]["value"] > 0]
        words = [f"proves it against {' and '.join(held)} in {seeds}" if held else "proves it against nobody"]
        words += [f"not reliably against {' or '.join(others)}"] if others else []
        words += doubts[:1]
        words += [f"it accused {' and '.join(accused)}, who had not stolen"] if accused else []
        words.append(_price_in_words(scheme["price"]))
        sentences.append(f"{in_words(scheme['name']).capitalize()} {'; '.join(words)}.")
    return sentences


def _worth(scheme: Mapping[str, Any]) -> int:
    """Thieves that it holds against; none of them counts when it accuses somebody innocent."""
    places = [place for place in scheme["places"] if place]
    accuses = any(place["innocent"] and place["detected"]["value"] > 0 for place in places)
    return 0 if accuses else sum(place["word"] == "held" for place in places)


def _price(scheme: Mapping[str, Any]) -> float:
    return 0.0 if scheme["price"] is None else float(scheme["price"]["value"])


def _price_in_words(price: Mapping[str, Any] | None) -> str:
    if price is None:
        return "its price was not measured"
    value, low, high = (100 * price[key] for key in ("value", "low", "high"))
    return f"its price is {value:.1f} points of accuracy ({low:.1f} to {high:.1f})"
