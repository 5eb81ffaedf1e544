"""Recording what models answered a judge, so that anybody can hold the same trial again without asking them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from stealproof.court.case import HeldOut
from stealproof.errors import BudgetExceeded, EvidenceError, InputError, OracleUnavailable, QueryRefused
from stealproof.oracle import Access, Answer, Answers, Domain, Oracle

PUBLIC = "public"
"""Name of the array that holds claimed inputs which anybody could have trained on."""
HELD_OUT, HELD_OUT_LABELS = "held_out", "held_out_labels"
"""Names of the arrays that hold the rows by which suspect and controls were compared."""
DIGEST = 32
"""Bytes of a question in a record."""
WHOLE, MAYBE = (int,), (int, type(None))
NUMBER = (int, float, type(None))
KINDS: dict[str, tuple[type, ...]] = {
    "answer": (str,),
    "top_k": MAYBE,
    "decimals": MAYBE,
    "incomplete": (bool,),
    "shape": (list,),
    "low": NUMBER,
    "high": NUMBER,
    "levels": (dict,),
    "classes": WHOLE,
    "queries": WHOLE,
    "stopped": (str,),
}
"""What a described record consists of, and the types of each."""
FLOAT32 = float(np.finfo(np.float32).max)
STOPPED = (OracleUnavailable, QueryRefused, BudgetExceeded)
"""How a model may stop answering, which is a finding and no failure."""


@dataclass(slots=True, kw_only=True)
class Record:
    """What one model was asked, by digest, and what it answered, in order."""

    access: Access
    domain: Domain
    classes: int
    asked: list[bytes] = field(default_factory=list)
    """SHA-256 of each query."""
    answers: list[Answers] = field(default_factory=list)
    stopped: str = ""
    """Why it stopped answering, or empty."""


@final
class RecordingOracle(Oracle):
    """A model, and what it says to a judge in ``record``."""

    def __init__(self, inner: Oracle, room: int) -> None:
        """``inner`` is asked and pays; what it is asked and answers takes at most ``room`` bytes."""
        super().__init__(domain=inner.domain, classes=inner.classes, access=inner.access)
        self.record = Record(access=inner.access, domain=inner.domain, classes=inner.classes)
        self._inner, self._room = inner, room

    def _answer(self, queries: NDArray[Any]) -> Answers:
        self._room -= len(queries) * DIGEST
        try:
            answers = self._inner.query(queries)
        except STOPPED as error:
            self.record.stopped = str(error)
            raise
        self.record.asked.extend(map(query_digest, queries))
        self.record.answers.append(answers)
        self._room -= 0 if answers.scores is None else answers.scores.nbytes
        if self._room < 0:
            raise InputError(
                f"a model was asked {len(self.record.asked):,} questions so far, and the answers of all models to as"
                " many don't fit into one verdict file; ask fewer control models, see labels only (--access labels),"
                " make the claim again with fewer questions, or judge without a file (no --out)"
            )
        return answers


@final
class ReplayingOracle(Oracle):
    """A record that answers the same questions in the same order, and nothing else."""

    def __init__(self, record: Record, name: str) -> None:
        """``name`` says in messages whose answers these are."""
        super().__init__(domain=record.domain, classes=record.classes, access=record.access)
        self._record, self._name, self._next = record, name, 0
        self._answers = Answers.joined(record.answers) if record.answers else Answers()

    def _answer(self, queries: NDArray[Any]) -> Answers:
        start, end = self._next, self._next + len(queries)
        for number, row in enumerate(queries[: len(self._record.asked) - start], start):
            if query_digest(row) != self._record.asked[number]:
                raise EvidenceError(f"question {number + 1} to {self._name} is another one than was recorded")
        if end > len(self._record.asked):
            if self._record.stopped and start == len(self._record.asked):
                raise OracleUnavailable(self._record.stopped)
            raise EvidenceError(f"only {len(self._record.asked)} answers of {self._name} were recorded; it takes {end}")
        self._next = end
        labels, scores = self._answers.labels, self._answers.scores
        return Answers(
            labels=None if labels is None else labels[start:end],
            scores=None if scores is None else scores[start:end],
        )

    def finish(self) -> None:
        """Raise ``EvidenceError`` unless every recorded question was asked again."""
        left = len(self._record.asked) - self._next
        if left:
            raise EvidenceError(f"{left} recorded questions to {self._name} were not asked again; expected all of them")


def query_digest(row: NDArray[Any]) -> bytes:
    """SHA-256 over the type, the shape and the bytes of one query."""
    head = f"{row.dtype.newbyteorder('<').str} {row.shape}\n".encode()
    little = np.ascontiguousarray(row, dtype=row.dtype.newbyteorder("<"))
    return hashlib.sha256(head + little.tobytes()).digest()


def encode_records(records: Mapping[str, Record], beside: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays of these records, and others ``beside`` them, as one ``safetensors`` file."""
    arrays = dict(beside)
    for name, record in records.items():
        if not record.asked:
            continue
        joined = Answers.joined(record.answers)
        arrays[f"{name}.asked"] = np.frombuffer(b"".join(record.asked), dtype=np.uint8).reshape(-1, 32)
        if joined.labels is not None:
            arrays[f"{name}.labels"] = _narrow(joined.labels)
        if joined.scores is not None:
            arrays[f"{name}.scores"] = np.ascontiguousarray(joined.scores)
    return bytes(safetensors.numpy.save(arrays))


def _narrow(labels: NDArray[np.int64]) -> NDArray[Any]:
    """Labels in as few bytes as hold all of them; a trial may have asked for millions."""
    least, most = (int(labels.min()), int(labels.max())) if len(labels) else (0, 0)
    fits = next(
        kind for kind in (np.uint8, np.uint16, np.int64) if np.iinfo(kind).min <= least <= most <= np.iinfo(kind).max
    )
    return np.ascontiguousarray(labels, dtype=fits)


def describe_record(record: Record) -> dict[str, Any]:
    """All of a record that is no array, in JSON types."""
    access, domain = record.access, record.domain
    return {
        "answer": str(access.answer),
        "top_k": access.top_k,
        "decimals": access.decimals,
        "incomplete": access.incomplete,
        "shape": list(domain.shape),
        "low": domain.low if np.isfinite(domain.low) else None,
        "high": domain.high if np.isfinite(domain.high) else None,
        "levels": {str(column): list(values) for column, values in domain.levels.items()},
        "classes": record.classes,
        "queries": len(record.asked),
        "stopped": record.stopped,
    }


def decode_records(content: bytes, described: Mapping[str, Mapping[str, Any]]) -> dict[str, Record]:
    """The inverse of ``encode_records`` and ``describe_record``.

    Raises:
        EvidenceError: the file can't be read, or holds other arrays than are described.
    """
    try:
        arrays = safetensors.numpy.load(content)
        records = {name: _record(name, one, arrays) for name, one in described.items()}
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(
            f"the recorded answers can't be read ({error}); expected them as a judge wrote them"
        ) from error
    return records


def public_rows(content: bytes) -> NDArray[Any] | None:
    """The claimed inputs that were public, as far as that was looked into."""
    rows: NDArray[Any] | None = safetensors.numpy.load(content).get(PUBLIC)
    return rows


def held_out_rows(content: bytes) -> HeldOut | None:
    """The rows by which suspect and controls were compared, if they were."""
    arrays = safetensors.numpy.load(content)
    if HELD_OUT not in arrays:
        return None
    x, y = arrays[HELD_OUT], arrays[HELD_OUT_LABELS]
    if x.dtype != np.float32 or y.dtype != np.int64 or y.ndim != 1 or x.shape[:1] != y.shape:
        raise ValueError(f"held-out rows of {x.dtype} {x.shape} with labels of {y.dtype} {y.shape}")
    return HeldOut(x=x, y=y)


def check_kind(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """Raise ``TypeError`` unless ``value`` is of one of these types, a boolean being no integer."""
    if type(value) not in kinds:
        raise TypeError(f"{name} is {value!r:.40}")


def _record(name: str, described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Record:
    for field_name, kinds in KINDS.items():
        check_kind(field_name, described[field_name], kinds)
    low, high = described["low"], described["high"]
    if any(bound is not None and abs(bound) > FLOAT32 for bound in (low, high)):
        raise ValueError(f"the inputs of {name} reach from {low} to {high}, where no float32 does")
    record = Record(
        access=Access(
            answer=Answer(described["answer"]),
            top_k=described["top_k"],
            decimals=described["decimals"],
            incomplete=described["incomplete"],
        ),
        domain=Domain(
            shape=tuple(described["shape"]),
            low=-np.inf if low is None else float(low),
            high=np.inf if high is None else float(high),
            levels={int(column): tuple(map(float, values)) for column, values in described["levels"].items()},
        ),
        classes=described["classes"],
        stopped=described["stopped"],
    )
    if described["queries"]:
        record.asked = [row.tobytes() for row in arrays[f"{name}.asked"]]
        labels, scores = arrays.get(f"{name}.labels"), arrays.get(f"{name}.scores")
        record.answers = [Answers(labels=None if labels is None else labels.astype(np.int64), scores=scores)]
    for one in record.answers:
        if (one.labels is not None and one.labels.ndim != 1) or (one.scores is not None and one.scores.ndim != 2):
            raise ValueError(f"the answers of {name} are no rows of labels or scores")
    if len(record.asked) != described["queries"] or any(len(one) != len(record.asked) for one in record.answers):
        raise ValueError(f"{name} has other than {described['queries']} answers")
    return record
