"""Running a study: what is stored is reused, the rest is computed and stored cell by cell."""

from __future__ import annotations

import contextlib
import functools
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stealproof import catalog
from stealproof.errors import StealproofError, StorageError
from stealproof.studies.cards import Card, make_cards
from stealproof.studies.executor import Executor, Serial
from stealproof.studies.results import Failure, Result
from stealproof.studies.sources import key_of
from stealproof.studies.store import Store
from stealproof.studies.study import Cell, Study

KIND = "cells"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of a study gave."""

    study: Study
    results: tuple[Result, ...]
    """Every finished cell, stored ones included."""
    failures: tuple[Failure, ...]
    computed: int
    """How many cells were computed in this run; the others were stored before."""

    @property
    def cards(self) -> list[Card]:
        """The finished cells, one card for each combination."""
        return make_cards(self.study, self.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """The task that executors run: compute one cell and store it. It can be sent to another process."""

    folder: Path
    """The store's."""

    def __call__(self, cell: Cell) -> Result | Failure:
        """The finished cell, already stored, or why it failed."""
        start = time.process_time()
        try:
            measurement = cell.make().run(seed=cell.seed, workshop=_workshop(self.folder))
            result = Result.of(cell, measurement, cpu_seconds=time.process_time() - start)
            Store(self.folder).write(KIND, key_of_cell(cell), result.as_dict())
        except StealproofError as error:
            return Failure(cell=cell, reason=str(error), no_storage=isinstance(error, StorageError))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            return Failure(cell=cell, reason=reason, trace=traceback.format_exc())
        return result


@functools.cache
def _workshop(folder: Path) -> Any:
    """This process's workshop for this store, so that cells share data sets and victims in memory."""
    from stealproof.studies.workshop import Workshop

    return Workshop(Store(folder))


def key_of_cell(cell: Cell) -> str:
    """Under which key the cell is stored: all that it follows from, see ``stealproof.studies.sources``."""
    description = {"experiment": cell.experiment, "arguments": dict(cell.arguments), "seed": cell.seed}
    module = catalog.find(cell.experiment, "experiment").module
    return key_of("cell", description, roots=(module, "stealproof.studies.workshop"))


def run_study(
    study: Study,
    *,
    store: Store | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, float], None] | None = None,
    fresh: bool = False,
) -> Outcome:
    """Compute every cell of ``study`` that is not stored yet.

    Args:
        study: checked before anything is computed.
        store: where finished cells and victims are kept; None for the user's cache folder.
        executor: where cells are computed; None for this process.
        progress: called with the cell that finished last and the finished share of what had to be computed.
        fresh: compute what is stored, too.

    Raises:
        InputError: the study can't run.
        StorageError: a result could not be stored; what was stored before is kept.
        KeyboardInterrupt: Ctrl-C; finished cells are kept, and the next run goes on from there.
    """
    study.check()
    results, failures, computed = run_cells(
        study.cells(), name=study.name, store=store, executor=executor, progress=progress, fresh=fresh
    )
    return Outcome(study=study, results=results, failures=failures, computed=computed)


def run_cells(
    cells: Sequence[Cell],
    *,
    name: str,
    store: Store | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, float], None] | None = None,
    fresh: bool = False,
) -> tuple[tuple[Result, ...], tuple[Failure, ...], int]:
    """Compute ``cells``, of one experiment or several, as ``run_study`` does: results, failures, how many were new.

    ``name`` is what the progress calls them together.
    """
    store = store or Store()
    found = [(cell, None if fresh else load(cell, store)) for cell in cells]
    results = [result for _, result in found if result is not None]
    missing = [cell for cell, result in found if result is None]
    failures: list[Failure] = []
    tell = progress or (lambda what, share: None)
    tell(f"{name}: {len(results)} of {len(found)} cells are stored", 0.0)
    with contextlib.closing((executor or Serial()).map(Compute(folder=store.folder), missing)) as outcomes:
        for done, outcome in enumerate(outcomes, start=1):
            if isinstance(outcome, Failure):
                if outcome.no_storage:
                    raise StorageError(outcome.reason)
                failures.append(outcome)
            else:
                results.append(outcome)
            tell(f"{name}: {done} of {len(missing)} cells", done / len(missing))
    return tuple(results), tuple(failures), len(missing) - len(failures)


def load(cell: Cell, store: Store) -> Result | None:
    """The stored result of a cell, or None."""
    entry = store.read(KIND, key_of_cell(cell))
    return None if entry is None else Result.from_dict(cell, entry)
