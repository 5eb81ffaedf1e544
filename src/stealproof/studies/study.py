"""Study: an experiment over many combinations of arguments and seeds, and what is expected of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from stealproof import catalog
from stealproof.errors import InputError, UnknownName
from stealproof.interactions.limits import Criterion
from stealproof.measures.estimate import Estimate
from stealproof.roles.experiment import Experiment
from stealproof.studies.table import Table
from stealproof.system import Source

Arguments = Mapping[str, Any]
"""One combination: the experiment's constructor parameters by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a paper found, or what we claim, about one measure of some combinations."""

    measure: str
    where: Arguments = field(default_factory=dict)
    """Which combinations: those that have these values; a list means any of its items."""
    minus: Arguments | None = None
    """Compare instead: each combination minus the one that differs from it by these values, paired by seed."""
    at_least: float | None = None
    at_most: float | None = None
    reference: str = ""
    """Whose expectation this is and what they found."""
    paper: float | None = None
    """The paper's own number, where it gives one."""

    @property
    def expected(self) -> str:
        """The condition in words: ``>= 0.99`` or ``0.65 to 0.9``."""
        if self.at_least is not None and self.at_most is not None:
            return f"{self.at_least:g} to {self.at_most:g}"
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"

    def judge(self, measured: Estimate | None) -> bool | None:
        """True when the whole interval meets the condition, False when none of it does, None when it is undecided."""
        if measured is None:
            return None
        low = float("-inf") if self.at_least is None else self.at_least
        high = float("inf") if self.at_most is None else self.at_most
        if low <= measured.low and measured.high <= high:
            return True
        return False if measured.high < low or high < measured.low else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The smallest piece of a study: one experiment, one combination of arguments, one seed."""

    experiment: str
    arguments: Arguments
    seed: int

    def __str__(self) -> str:
        """In words, as failures and progress name it."""
        return f"{self.experiment} {', '.join([*described(self.arguments), f'seed={self.seed}'])}"

    def make(self) -> Experiment:
        """The experiment with these arguments."""
        made: Experiment = catalog.make(self.experiment, "experiment", **thawed(self.arguments))
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """An experiment, the combinations of arguments and the seeds that it runs over, and what is expected of it."""

    name: str
    title: str
    experiment: str
    """Catalog name."""
    combinations: tuple[Arguments, ...]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    expectations: tuple[Expectation, ...] = ()
    source: Source | None = None
    """The paper whose experiment this is."""
    show: tuple[str, ...] = ()
    """The measures that tables show; empty for all."""
    table: Table | None = None
    """Set when rows and columns say more than a list of combinations."""
    criterion: Criterion | None = None
    """Set when combinations of protections are compared: how large a loss is a conflict."""

    def cells(self) -> tuple[Cell, ...]:
        """Every cell, all combinations of the first seed first, so that early results cover the whole study."""
        return tuple(
            Cell(experiment=self.experiment, arguments=arguments, seed=seed)
            for seed in self.seeds
            for arguments in self.combinations
        )

    def seeded(self, seeds: int) -> Study:
        """The same study with ``seeds`` seeds, 0 to ``seeds`` - 1."""
        if seeds < 1:
            raise InputError(f"a study needs at least 1 seed, got {seeds}")
        return dataclasses.replace(self, seeds=tuple(range(seeds)))

    def check(self) -> None:
        """Raise ``InputError`` unless every combination can run and every expectation means some of them.

        Raises:
            UnknownName: no such experiment, system, parameter or measure; the nearest match is suggested.
            InputError: a value of a wrong type, a combination given twice, an expectation of nothing.
        """
        kind = catalog.load(self.experiment, "experiment")
        assert issubclass(kind, Experiment)
        if not self.combinations or not self.seeds:
            raise InputError("a study needs at least 1 combination of arguments and 1 seed, got none")
        for i, arguments in enumerate(self.combinations):
            if arguments in self.combinations[:i]:
                raise InputError(f"the combination {', '.join(described(arguments))} is given twice; drop one")
            kind.make(thawed(arguments)).check()
        for measure in self.show:
            _check_measure(kind, measure, "show")
        if self.table is not None:
            with concerning("table"):
                self._check_table(kind, self.table)
        if self.criterion is not None:
            with concerning("criterion"):
                self._check_criterion(kind, self.criterion)
        for number, expectation in enumerate(self.expectations, start=1):
            with concerning(f"[[expect]] number {number}"):
                self._check_expectation(kind, expectation)

    def _check_table(self, kind: type[Experiment], table: Table) -> None:
        for measure in filter(None, (table.measure, table.beside, table.doubt, table.spread, table.once)):
            _check_measure(kind, measure, "measure")
        known = {field.name for field in dataclasses.fields(kind)}
        for key in (*table.rows, table.columns):
            if key not in known:
                raise UnknownName.among(f"parameter of {kind.name()}", key, known)
        places = [table.place(arguments) for arguments in self.combinations]
        for i, arguments in enumerate(self.combinations):
            if places[i] in places[:i]:
                raise InputError(
                    f"{', '.join(described(arguments))} stands where another combination does;"
                    " add what tells them apart to rows"
                )

    def _check_criterion(self, kind: type[Experiment], criterion: Criterion) -> None:
        if "protections" not in {field.name for field in dataclasses.fields(kind)}:
            raise InputError(f"{kind.name()} has no protections that could conflict; drop [criterion]")
        for limit in criterion.limits:
            if kind.measures and not any(limit.fits(measure) for measure in kind.measures):
                ends = {measure.rpartition(".")[2] for measure in kind.measures}
                raise UnknownName.among(f"measure of {kind.name()}", limit.measure, sorted({*kind.measures, *ends}))

    def _check_expectation(self, kind: type[Experiment], expectation: Expectation) -> None:
        _check_measure(kind, expectation.measure, "measure")
        if expectation.at_least is None and expectation.at_most is None:
            raise InputError("expected at_least or at_most or both, got neither")
        chosen = [arguments for arguments in self.combinations if matches(arguments, expectation.where)]
        if not chosen:
            raise InputError(f"where = {dict(expectation.where)} matches no combination of this study")
        for arguments in chosen:
            if expectation.minus is not None and self.counterpart(arguments, expectation.minus) is None:
                raise InputError(
                    f"minus = {dict(expectation.minus)} names no other combination of this study"
                    f" beside {', '.join(described(arguments))}"
                )

    def counterpart(self, arguments: Arguments, changes: Arguments) -> Arguments | None:
        """The combination that equals ``arguments`` with ``changes`` in the place of their values, or None."""
        wanted = {**arguments, **changes}
        return next((c for c in self.combinations if c == wanted and c != arguments), None)


def matches(arguments: Arguments, where: Arguments) -> bool:
    """Whether ``arguments`` have all values of ``where``; tables are compared key by key, a list means any of it."""
    for key, wanted in where.items():
        if key not in arguments:
            return False
        found = arguments[key]
        if isinstance(wanted, Mapping) and isinstance(found, Mapping):
            if not matches(found, wanted):
                return False
        elif found != wanted and not (isinstance(wanted, list | tuple) and found in wanted):
            return False
    return True


def merged(arguments: Arguments, changes: Arguments) -> dict[str, Any]:
    """``arguments`` with ``changes`` put over them; tables are merged key by key."""
    result = dict(arguments)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(value, Mapping) and isinstance(old, Mapping) else value
    return result


def described(arguments: Arguments, prefix: str = "") -> list[str]:
    """``["budget=100", "attack_parameters.reward=loss"]``."""
    parts: list[str] = []
    for key, value in arguments.items():
        if isinstance(value, Mapping):
            parts += described(value, f"{prefix}{key}.")
        else:
            parts.append(f"{prefix}{key}={value}")
    return parts


def thawed(value: Any) -> Any:
    """``value`` with lists as tuples, as constructors want them."""
    if isinstance(value, Mapping):
        return {key: thawed(item) for key, item in value.items()}
    return tuple(thawed(item) for item in value) if isinstance(value, list | tuple) else value


@contextmanager
def concerning(what: str) -> Iterator[None]:
    """Errors about input raised inside say first what they are about."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{what}: {error}") from error


def _check_measure(kind: type[Experiment], measure: str, key: str) -> None:
    if kind.measures and measure not in kind.measures:
        with concerning(key):
            raise UnknownName.among(f"measure of {kind.name()}", measure, kind.measures)
