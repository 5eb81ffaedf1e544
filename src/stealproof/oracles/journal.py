"""An oracle with a journal: answers are written down as they come, and what is written down is not asked again.

For victims whose answers cost money or hours: after a crash or Ctrl-C, the same attack with the same seed goes on where
it was. The journal is a text file, one JSON object a line; a line that a crash cut short is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import InputError, InvalidData, StorageError
from stealproof.oracle import Answers, Budget, Oracle, Transcript

FORMAT = "stealproof journal 1"
PIECE = 256
"""Most inputs that are sent before their answers are written down: what a failing server costs at most."""


class JournalOracle(Oracle):
    """The answers of an inner oracle, kept in a file.

    A query that is answered from the file counts against this oracle's budget as any other, so that the attack runs
    as it would have run; it does not count against the inner one's, which meters what was really sent.
    """

    def __init__(
        self,
        inner: Oracle,
        path: Path,
        *,
        target: str,
        budget: Budget | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        """Open or begin the journal at ``path``; ``target`` says whose answers it holds.

        Raises:
            InputError: the file holds the answers of another target or under another access.
            InvalidData: it is no journal.
            StorageError: it can't be written.
        """
        super().__init__(
            domain=inner.domain, classes=inner.classes, access=inner.access, budget=budget, transcript=transcript
        )
        self._inner = inner
        self._path = path
        self._known: dict[str, tuple[int | None, list[float | None] | None]] = {}
        self._header = {"format": FORMAT, "target": target, "access": str(inner.access), "classes": inner.classes}
        if path.exists():
            self._read()
        else:
            self._append([self._header])

    def _answer(self, queries: NDArray[Any]) -> Answers:
        keys = [_key(row) for row in queries]
        # An input that occurs twice in one batch is asked once.
        new = {key: place for place, key in enumerate(keys) if key not in self._known}
        for start in range(0, len(new), PIECE):
            piece = dict(list(new.items())[start : start + PIECE])
            self._remember(list(piece), self._inner.query(queries[list(piece.values())]))
        found = [self._known[key] for key in keys]
        labels = [label for label, _ in found if label is not None]
        scores = [row for _, row in found if row is not None]
        return Answers(
            labels=np.array(labels, dtype=np.int64) if labels else None,
            scores=np.array(scores, dtype=np.float64) if scores else None,
        )

    def _remember(self, keys: list[str], answers: Answers) -> None:
        labels = [None] * len(keys) if answers.labels is None else np.asarray(answers.labels).tolist()
        scores: list[Any] = [None] * len(keys)
        if answers.scores is not None:
            # NaN, which top-k leaves where a score is withheld, is null in JSON.
            wide = np.asarray(answers.scores, dtype=np.float64)
            scores = np.where(np.isnan(wide), None, wide.astype(object)).tolist()  # type: ignore[call-overload]
        lines = []
        for key, label, row in zip(keys, labels, scores, strict=True):
            self._known[key] = (label, row)
            lines.append({"input": key, "label": label, "scores": row})
        self._append(lines)

    def _append(self, lines: list[dict[str, Any]]) -> None:
        content = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(
                f"could not write the journal {self._path}: {error.strerror or error}; free some space or name another"
            ) from error

    def _read(self) -> None:
        try:
            content = self._path.read_bytes()
            whole, _, rest = content.rpartition(b"\n")
            header, *lines = [json.loads(line) for line in whole.split(b"\n")]
            known = {line["input"]: (line["label"], line["scores"]) for line in lines}
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']!r}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidData(f"{self._path} is no journal of answers ({error}); delete it or name another") from error
        for field, mine in self._header.items():
            if header.get(field) != mine:
                raise InputError(
                    f"the journal {self._path} holds answers for {field} {header.get(field)!r}, not {mine!r};"
                    " name another file"
                )
        self._known = known
        if rest:
            # Half a line would run into the next one.
            with self._path.open("r+b") as file:
                file.truncate(len(whole) + 1)


def _key(row: NDArray[Any]) -> str:
    """A hash of one input's numbers, the same for float32 and float64 of the same values."""
    return hashlib.blake2b(np.ascontiguousarray(row, dtype="<f8").tobytes(), digest_size=16).hexdigest()
