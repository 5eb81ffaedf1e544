"""Matrix: result cards of a study with two sides, pivoted: schemes against suspects, as records and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stealproof import catalog
from stealproof.errors import InputError
from stealproof.inputs.systems import parse_systems
from stealproof.measures.estimate import Estimate
from stealproof.measures.roc import area_under_curve
from stealproof.studies.study import described
from stealproof.studies.table import Table

Json = Mapping[str, Any]

SUSPECTS = {
    "owner's model": "the claimed model itself, as a careless thief would serve it",
    "extraction": "surrogates that were trained on the model's answers",
    "removal": "copies of the model that somebody washed",
    "independent": "models whose makers never saw it: a detection here is a false accusation",
}
"""Kinds of suspects, in the order of the table, in words."""
OWN, STOLEN, WASHED, INNOCENT = SUSPECTS
EXACT = "clopper-pearson"
"""Method of an estimate that counts yeses."""
UNDECIDED = 0.5
"""From this share of seeds without an answer on, a place without a detection is called unsure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One value of the argument that makes columns."""

    value: Any
    label: str
    group: str
    """One of ``SUSPECTS``; empty for columns that are no suspects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One place of the matrix."""

    estimate: Json
    """Of the table's measure: ``value``, ``low``, ``high``, ``level``, ``n``, ``method``."""
    beside: Json | None
    doubt: float
    """Share of seeds without an answer."""
    spread: tuple[float, ...]
    card: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: its name, what else tells it from the others, and its entries by column."""

    arguments: tuple[Any, ...]
    """Values of the row arguments."""
    name: str
    """Value of the first row argument, as the catalog writes it."""
    details: str
    entries: tuple[Entry | None, ...]
    """In the order of the columns."""
    once: Json | None
    """The measure that a row has once."""

    area: Estimate | None = None
    """Area under the ROC curve of the table's spread, copies against innocents; smaller values speak for a copy."""

    @property
    def label(self) -> str:
        """Name and details in words."""
        return in_words(self.name) + (f", {self.details}" if self.details else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Rows against columns."""

    table: Table
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    seeds: int
    """Most seeds behind an entry."""
    level: float | None
    """False-accusation rate that the judges allowed; None when the experiment has none."""
    groups: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Groups that occur, in order."""
        object.__setattr__(self, "groups", tuple(dict.fromkeys(column.group for column in self.columns)))

    def numbers(self, group: str) -> list[int]:
        """Where the columns of ``group`` are."""
        return [i for i, column in enumerate(self.columns) if column.group == group]


def make_matrix(cards: Sequence[Json], table: Table) -> Matrix:
    """The matrix of ``cards``, all of one study.

    Args:
        cards: in JSON types.
        table: which arguments make rows and columns.

    Raises:
        InputError: no card has the table's measure.
    """
    measured = [card for card in cards if table.measure in card["measures"]]
    if not measured:
        raise InputError(f"no card has the measure {table.measure!r}; run the study first")
    placed = [
        (_frozen(table.place(card["arguments"])[0]), table.place(card["arguments"])[1], card) for card in measured
    ]
    values = list(dict.fromkeys(column for _, column, _ in placed))
    columns = [_column(value, table.columns) for value in values]
    order = ["", *SUSPECTS]
    columns.sort(key=lambda column: order.index(column.group))
    rows = []
    keys = list(dict.fromkeys(row for row, _, _ in placed))
    for key in keys:
        mine = {column: card for row, column, card in placed if row == key}
        once = [card["measures"][table.once] for card in mine.values() if table.once in card["measures"]]
        entries = tuple(_entry(mine.get(column.value), table) for column in columns)
        rows.append(
            Row(
                arguments=table.place(next(iter(mine.values()))["arguments"])[0],
                name=str(key[0]),
                details=_details(key, [other for other in keys if other[0] == key[0]], table.rows),
                entries=entries,
                once=once[0] if once else None,
                area=_area(columns, entries),
            )
        )
    return Matrix(
        table=table,
        columns=tuple(columns),
        rows=tuple(rows),
        seeds=max(len(card["seeds"]) for card in measured),
        level=argument(measured[0], "level"),
    )


def _area(columns: Sequence[Column], entries: Sequence[Entry | None]) -> Estimate | None:
    """Over suspects and seeds, without columns of many independents: those keep the smallest of their values only."""
    copies: list[float] = []
    innocents: list[float] = []
    for column, entry in zip(columns, entries, strict=True):
        if entry is not None and column.group and entry.estimate["n"] == len(entry.spread):
            (innocents if column.group == INNOCENT else copies).extend(-value for value in entry.spread)
    return area_under_curve(copies, innocents) if copies and innocents else None


def argument(card: Json, name: str) -> Any:
    """An argument of a card's experiment, its default where the card does not give it; None when there is none."""
    if name in card["arguments"]:
        return card["arguments"][name]
    return catalog.make(card["experiment"], "experiment").parameters().get(name)


def group_of(suspect: str) -> str:
    """Which kind of suspect a name stands for; see ``SUSPECTS``."""
    name = parse_systems(suspect)[0][0]
    if name == "victim":
        return OWN
    if name.startswith("independent"):
        return INNOCENT
    return STOLEN if name in catalog.names("extraction") else WASHED


def in_words(text: str) -> str:
    """A catalog name as people read it."""
    return text.replace("_", " ")


def suspect_in_words(suspect: str) -> str:
    """``fine tuning (layers last) + weight pruning``; an independent model by what is different."""
    parts = []
    for name, parameters in parse_systems(suspect):
        given = ", ".join(f"{in_words(key)} {value}" for key, value in parameters.items())
        parts.append(in_words(name.removeprefix("independent_")) + (f" ({given})" if given else ""))
    return " + ".join(parts)


def judged(entry: Entry, level: float | None, *, innocent: bool) -> tuple[str, str]:
    """Tone and word of a place: whether the scheme did what its owner hopes for.

    An accusation of somebody innocent is called one when even the lower bound of its rate is above the level; below,
    the level allows it, for all that so many verdicts can tell.
    """
    rate = entry.estimate["value"]
    if rate == 0 and entry.doubt >= UNDECIDED:
        return "none", "unsure"
    if innocent:
        if rate == 0:
            return "good", "clear"
        return ("bad", "accused") if level is None or entry.estimate["low"] > level else ("warn", "rarely")
    if rate == 1:
        return "good", "held"
    return ("bad", "lost") if rate == 0 else ("warn", "partly")


def count(estimate: Json) -> str:
    """``4/5`` of a rate, a value with its interval of anything else."""
    if estimate["method"] == EXACT:
        return f"{round(estimate['value'] * estimate['n'])}/{estimate['n']}"
    return f"{estimate['value']:.3g} ({estimate['low']:.3g} to {estimate['high']:.3g})"


def percents(estimate: Json) -> str:
    """``48 to 100%``."""
    digits = 0 if estimate["high"] - estimate["low"] > 0.1 else 1
    return f"{100 * estimate['low']:.{digits}f} to {100 * estimate['high']:.{digits}f}%"


def _column(value: Any, columns: str) -> Column:
    if columns != "suspect":
        return Column(value=value, label=str(value), group="")
    return Column(value=value, label=suspect_in_words(value), group=group_of(value))


def _entry(card: Json | None, table: Table) -> Entry | None:
    if card is None:
        return None
    measures = card["measures"]
    doubt = measures.get(table.doubt)
    return Entry(
        estimate=measures[table.measure],
        beside=measures.get(table.beside),
        doubt=0.0 if doubt is None else doubt["value"],
        spread=tuple(card.get("by_seed", {}).get(table.spread, ())),
        card=card,
    )


def _details(key: tuple[Any, ...], alike: Sequence[tuple[Any, ...]], names: Sequence[str]) -> str:
    """What tells a row from those of the same name, in a few words."""

    def parts(row: tuple[Any, ...]) -> list[str]:
        pairs = {name: thing for name, thing in zip(names[1:], map(_thawed, row[1:]), strict=True) if thing}
        return [part.rpartition(".")[2].replace("=", " ") for part in described(pairs)]

    shared = set.intersection(*(set(parts(row)) for row in alike)) if len(alike) > 1 else set(parts(key))
    return ", ".join(in_words(part) for part in parts(key) if part not in shared)


def _frozen(value: Any) -> Any:
    """Something hashable that ``_thawed`` turns back; lists and tuples are the same."""
    if isinstance(value, Mapping):
        return ("table", *((key, _frozen(item)) for key, item in sorted(value.items())))
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    return dict(value[1:]) if isinstance(value, tuple) and value[:1] == ("table",) else value
