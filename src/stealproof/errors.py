"""Every error that stealproof raises on purpose, as one tree.

    StealproofError                     exit code of the command line
    ├── InputError                      2   something the caller gave is wrong
    │   ├── UnknownName                 2   no such system, data set, model, study or parameter
    │   ├── InvalidData                 2   wrong shape, dtype, range, label; empty; damaged file
    │   ├── UnsafeFile                  2   a file that could run code when it is loaded (pickle)
    │   ├── AccessDenied                2   the attack needs answers that the oracle does not give
    │   ├── MissingData                 2   a data file is not on this machine and could not be fetched
    │   └── MissingExtra                2   an optional dependency is not installed
    ├── BudgetExceeded                  2   the query budget does not cover the queries
    ├── OracleUnavailable               2   a remote oracle is down, slow, refuses, or answers nonsense
    ├── QueryRefused                    2   a guard of the API gave this client no answer
    ├── IncompatibleDefenses            2   two protections cannot share a stage of training
    ├── StorageError                    2   a result could not be written (full disk, no permission)
    └── EvidenceError                   3   a claim, dossier or verdict that does not check out

Messages are one lower-case sentence: what is wrong, what was expected, what was found, and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StealproofError(Exception):
    """Base class of every error raised on purpose."""

    exit_code = 2


class InputError(StealproofError):
    """Something that the caller gave is wrong."""


class UnknownName(InputError):
    """A name that is not in the catalog, the study folder or a constructor's signature."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str], advice: str = "") -> UnknownName:
        """The error for ``name``, suggesting its nearest match among ``known``."""
        choices = sorted(known)
        near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
        everything = f"expected one of: {', '.join(choices) or '(none)'}"
        hint = f"did you mean {near[0]!r}?" if near else everything
        return cls(f"no {kind} is named {name!r}; {hint}{' ' + advice if advice else ''}")


class InvalidData(InputError):
    """Data of the wrong shape, dtype or range, with NaN, empty, or from a damaged file."""


class UnsafeFile(InputError):
    """A file whose loading could run code (a pickle); stealproof never loads one."""


class AccessDenied(InputError):
    """An attack that needs answers which this oracle does not give."""


class MissingData(InputError):
    """A data file that is neither on this machine nor could be fetched."""


class MissingExtra(InputError):
    """An optional dependency that is not installed."""

    @classmethod
    def named(cls, package: str, extra: str) -> MissingExtra:
        """The error for ``package``, which ``pip install 'stealproof[extra]'`` would bring."""
        return cls(f"{package} is not installed; install it with: pip install 'stealproof[{extra}]'")


class BudgetExceeded(StealproofError):
    """More queries than the budget covers; the queries were not sent."""


class OracleUnavailable(StealproofError):
    """A remote oracle that is down, too slow, refuses, or answers what it must not."""


class QueryRefused(StealproofError):
    """A guard of the API that gave a client no answer; the queries stay counted."""

    retry_after: float | None = None
    """Seconds after which the client may try again; None for never."""

    @classmethod
    def by(cls, guard: str, client: str, reason: str, retry_after: float | None) -> QueryRefused:
        """The refusal that ``guard`` gave to ``client``."""
        advice = "ask as another client" if retry_after is None else f"try again after {retry_after:g} s"
        error = cls(f"{guard} refused the queries of {client}: {reason}; {advice}")
        error.retry_after = retry_after
        return error


class IncompatibleDefenses(StealproofError):
    """Two protections that cannot share a stage of one training run."""


class StorageError(StealproofError):
    """A result that could not be written; nothing half-written is left behind."""


class EvidenceError(StealproofError):
    """A claim, dossier or verdict that does not check out."""

    exit_code = 3
