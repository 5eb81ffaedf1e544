"""Result cards: what a study measured, one small record for each combination of arguments, over all its seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stealproof.errors import InvalidData, MissingData
from stealproof.files import write_atomic
from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import YES_OR_NO, mean_over_seeds, proportion
from stealproof.measures.paired import paired_difference
from stealproof.studies.results import Result, plain
from stealproof.studies.study import Arguments, Expectation, Study, described, matches

DIGITS = 6
"""Significant digits that a stored card keeps: more than any interval is worth."""
BONFERRONI = 0.975
"""Level of each of two intervals that bound a difference of proportions at 95%."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An expectation beside what was measured."""

    expectation: Expectation
    measured: Estimate | None
    """None when no cell gave this measure."""

    @property
    def holds(self) -> bool | None:
        """True or False where the whole interval says so, else None: undecided, or not measured."""
        return self.expectation.judge(self.measured)

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        expectation, measured = self.expectation, self.measured
        return {
            "measure": expectation.measure,
            "where": plain(expectation.where),
            "minus": None if expectation.minus is None else plain(expectation.minus),
            "measured": None if measured is None else measured.value,
            "interval": None if measured is None else [measured.low, measured.high],
            "expected": expectation.expected,
            "at_least": expectation.at_least,
            "at_most": expectation.at_most,
            "holds": self.holds,
            "paper": expectation.paper,
            "reference": expectation.reference,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One combination of a study, over its seeds."""

    name: str
    """What tells this combination from the others of its study, for instance ``budget=100, access=labels``."""
    study: str
    experiment: str
    arguments: Arguments
    seeds: tuple[int, ...]
    """Those that finished."""
    versions: Mapping[str, str]
    revision: str | None
    """Git revision of the code; several joined by commas when the cells were computed at different times."""
    measures: Mapping[str, Estimate]
    """Mean over the seeds with Student's t interval; of a single seed its own estimate. What is yes or no in each seed
    is a proportion with its exact interval."""
    by_seed: Mapping[str, tuple[float, ...]]
    """Every seed's value, in the order of ``seeds``, of the measure whose spread the study's table shows and of those
    that its criterion judges."""
    cpu_seconds: float
    """Processor time of all cells together."""
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON types; docs/studies.md explains the keys."""
        return {
            "name": self.name,
            "study": self.study,
            "experiment": self.experiment,
            "arguments": plain(self.arguments),
            "seeds": list(self.seeds),
            "measures": {name: estimate.as_dict() for name, estimate in sorted(self.measures.items())},
            **({"by_seed": plain(self.by_seed)} if self.by_seed else {}),
            "expectations": [finding.as_dict() for finding in self.findings],
            "cpu_seconds": self.cpu_seconds,
            "versions": dict(self.versions),
            "revision": self.revision,
        }


def make_cards(study: Study, results: Iterable[Result]) -> list[Card]:
    """One card for each combination of which at least one cell finished, in the study's order."""
    by_combination: list[dict[int, Result]] = [{} for _ in study.combinations]
    for result in results:
        by_combination[study.combinations.index(result.cell.arguments)][result.cell.seed] = result
    names = distinguished(study.combinations)
    return [
        _card(study, names[i], arguments, by_combination)
        for i, arguments in enumerate(study.combinations)
        if by_combination[i]
    ]


def _card(study: Study, name: str, arguments: Arguments, by_combination: Sequence[Mapping[int, Result]]) -> Card:
    mine = by_combination[study.combinations.index(arguments)]
    ordered = [mine[seed] for seed in study.seeds if seed in mine]
    measures = {name: over_seeds(_values(mine, name).values()) for result in ordered for name in result.estimates}
    findings = []
    for expectation in study.expectations:
        if not matches(arguments, expectation.where):
            continue
        measured = measures.get(expectation.measure)
        if expectation.minus is not None:
            other = study.counterpart(arguments, expectation.minus)
            theirs = {} if other is None else by_combination[study.combinations.index(other)]
            measured = _difference(_values(mine, expectation.measure), _values(theirs, expectation.measure))
        findings.append(Finding(expectation=expectation, measured=measured))
    revisions = {result.revision for result in ordered if result.revision is not None}
    return Card(
        name=name,
        study=study.name,
        experiment=study.experiment,
        arguments=arguments,
        seeds=tuple(result.cell.seed for result in ordered),
        versions=ordered[-1].versions,
        revision=", ".join(sorted(revisions)) or None,
        measures=measures,
        by_seed=_by_seed(study, ordered),
        cpu_seconds=sum(result.cpu_seconds for result in ordered),
        findings=tuple(findings),
    )


def _by_seed(study: Study, results: Sequence[Result]) -> dict[str, tuple[float, ...]]:
    spread, criterion = "" if study.table is None else study.table.spread, study.criterion
    return {
        measure: tuple(result.estimates[measure].value for result in results)
        for measure in results[0].estimates
        if (measure == spread or (criterion is not None and criterion.limit(measure) is not None))
        and all(measure in result.estimates for result in results)
    }


def over_seeds(estimates: Iterable[Estimate]) -> Estimate:
    """The mean of one estimate a seed, with its interval over the seeds; a single one as it is.

    A yes or no in each seed has no normal errors, and none at all when every seed says the same: Student's t would call
    five yeses certain. They are counted as a proportion.
    """
    found = list(estimates)
    if all(estimate.method == YES_OR_NO for estimate in found):
        return _rate(found)
    return found[0] if len(found) == 1 else mean_over_seeds([estimate.value for estimate in found])


def _rate(answers: Sequence[Estimate], level: float = 0.95) -> Estimate:
    return proportion(sum(round(a.value * a.n) for a in answers), sum(a.n for a in answers), level=level)


def _values(results: Mapping[int, Result], measure: str) -> dict[int, Estimate]:
    return {seed: r.estimates[measure] for seed, r in sorted(results.items()) if measure in r.estimates}


def _difference(mine: Mapping[int, Estimate], theirs: Mapping[int, Estimate]) -> Estimate | None:
    """Mean of mine minus theirs over the seeds that both have; of one seed, or of rates, bounds from both intervals."""
    shared = sorted(mine.keys() & theirs.keys())
    if not shared:
        return None
    if all(side[seed].method == YES_OR_NO for side in (mine, theirs) for seed in shared):
        a, b = (_rate([side[seed] for seed in shared], BONFERRONI) for side in (mine, theirs))
        return _bounded(a, b, len(shared))
    if len(shared) == 1:
        return _bounded(mine[shared[0]], theirs[shared[0]], 1)
    return paired_difference([mine[s].value for s in shared], [theirs[s].value for s in shared]).difference


def _bounded(a: Estimate, b: Estimate, n: int) -> Estimate:
    return Estimate(value=a.value - b.value, low=a.low - b.high, high=a.high - b.low, n=n, method="from both intervals")


def distinguished(combinations: Sequence[Arguments]) -> list[str]:
    """For each combination the values in which it differs from some other, in few words; ``all`` when there is one.

    Of several values that the same combinations have, the first one is named, and no list that follows from another
    value; keys lose the tables around them where no other key ends alike.
    """
    parts = [described(arguments) for arguments in combinations]
    having: dict[str, list[int]] = {}
    for i, own in enumerate(parts):
        for part in own:
            having.setdefault(part, []).append(i)
    full_keys = {part.partition("=")[0] for part in having}
    ends = Counter(key.rpartition(".")[2] for key in full_keys)
    names = []
    for own in parts:
        told: dict[tuple[int, ...], str] = {}
        for part in own:
            key, _, value = part.partition("=")
            end = key.rpartition(".")[2]
            told.setdefault(tuple(having[part]), f"{end if ends[end] == 1 else key}={value}")
        told.pop(tuple(range(len(combinations))), None)
        for places, part in list(told.items()):
            if "=[" in part and any(set(other) < set(places) for other, short in told.items() if "=[" not in short):
                del told[places]
        names.append(", ".join(told.values()) or "all")
    return names


def write_cards(path: Path, cards: Sequence[Mapping[str, Any]]) -> None:
    """Store cards (as ``as_dict`` gives them) as a JSON list, sorted by name, rounded: the same cards, the same bytes.

    Raises:
        StorageError: the disk refuses.
    """
    ordered = sorted((_rounded(card) for card in cards), key=lambda card: (card["study"], card["name"]))
    write_atomic(path, (json.dumps(ordered, indent=1, allow_nan=False) + "\n").encode())


def read_cards(path: Path) -> list[dict[str, Any]]:
    """The cards in a JSON file.

    Raises:
        MissingData: no such file.
        InvalidData: a file that is no list of cards.
    """
    try:
        cards = json.loads(path.read_bytes())
    except OSError as error:
        raise MissingData(f"could not read the result cards {path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidData(f"{path}: expected a JSON list of result cards, got damaged JSON: {error}") from error
    if not isinstance(cards, list) or not all(isinstance(card, dict) and "measures" in card for card in cards):
        raise InvalidData(f"{path}: expected a JSON list of result cards, got something else")
    return cards


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
