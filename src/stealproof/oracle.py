"""Oracle: what a client may see of a model. The threat model, as a type.

A black-box attack or verification receives an ``Oracle``, never a module. It declares its ``Access`` (what an answer
contains) and its ``Domain`` (which inputs are legal), meters a ``Budget`` and may keep a ``Transcript``.
**One query is one input**: a batch of 64 costs 64.

Arrays at this border are NumPy arrays, so that a judge or an HTTP client needs no deep-learning framework; tensors
are accepted as queries and converted.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import BudgetExceeded, InvalidData, OracleUnavailable

SIMPLEX_TOLERANCE = 1e-3
"""How far the probabilities of one answer may be from summing to 1 (float16 servers round that much)."""
RANGE_TOLERANCE = 1e-6
"""How far a query may leave the domain: room for float32 rounding, not for cheating."""


class Answer(StrEnum):
    """What one answer contains, from least to most telling."""

    LABELS = "labels"
    TOP_K = "top_k"
    PROBABILITIES = "probabilities"
    LOGITS = "logits"
    EMBEDDING = "embedding"
    TEXT = "text"
    IMAGE = "image"


SCORED = frozenset({Answer.TOP_K, Answer.PROBABILITIES, Answer.LOGITS})
"""Kinds of answers that hold a score for each class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the answers of an oracle contain."""

    answer: Answer = Answer.PROBABILITIES
    top_k: int | None = None
    """How many of the largest probabilities are shown (``Answer.TOP_K`` only)."""
    decimals: int | None = None
    """Decimals that scores are rounded to; None means full precision."""
    incomplete: bool = False
    """Whether NaN marks a missing feature, which is answered from an inner node (decision trees)."""

    def __str__(self) -> str:
        """In words: ``top-3 probabilities, 2 decimals``."""
        words = f"top-{self.top_k} probabilities" if self.answer is Answer.TOP_K else str(self.answer)
        if self.decimals is not None:
            words += f", {self.decimals} decimals"
        return words + (", incomplete queries" if self.incomplete else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """The legal inputs of a model: a box, with columns that only take listed values."""

    shape: tuple[int, ...]
    """Shape of one input without the batch axis, for instance ``(1, 28, 28)`` or ``(30,)``."""
    low: float = 0.0
    high: float = 1.0
    levels: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    """For flat inputs: column index -> the values that this (categorical) column takes."""

    def clip(self, x: NDArray[Any]) -> NDArray[Any]:
        """``x`` with every value inside the box; levels are not snapped."""
        return np.asarray(np.clip(x, self.low, self.high))

    def uniform(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """``count`` inputs drawn uniformly, ``(count, *shape)`` float64; an unbounded side of the box reads as ±1."""
        low = self.low if np.isfinite(self.low) else -1.0
        high = self.high if np.isfinite(self.high) else 1.0
        x = rng.uniform(low, high, size=(count, *self.shape))
        for column, values in self.levels.items():
            x[:, column] = rng.choice(np.asarray(values, dtype=float), size=count)
        return x

    def check(self, x: NDArray[Any], *, incomplete: bool = False) -> None:
        """Raise ``InvalidData`` unless ``x`` is ``(n, *shape)``, n >= 1, numeric, free of NaN and inside the box."""
        if x.ndim == 0 or x.shape[1:] != self.shape:
            raise InvalidData(f"expected queries of shape (n, {', '.join(map(str, self.shape))}), got {x.shape}")
        if len(x) == 0:
            raise InvalidData("expected at least 1 query, got an empty batch")
        if x.dtype.kind not in "fiu":
            raise InvalidData(f"expected queries of a numeric dtype, got {x.dtype}")
        if x.dtype.kind != "f":
            x = x.astype(np.float32)
        if np.isinf(x).any():
            raise InvalidData("queries contain infinite values; replace them by the largest legal value")
        missing = np.isnan(x)
        if missing.any():
            if not incomplete:
                raise InvalidData(f"queries contain {int(missing.sum())} NaN values; this oracle wants complete inputs")
            x = np.where(missing, self.low, x)
        if x.min() < self.low - RANGE_TOLERANCE or x.max() > self.high + RANGE_TOLERANCE:
            raise InvalidData(
                f"queries must lie in [{self.low:g}, {self.high:g}], got values from {x.min():g} to {x.max():g};"
                " scale or clip them first"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers to one batch of n queries."""

    labels: NDArray[np.int64] | None = None
    """Predicted class of each query, ``(n,)``."""
    scores: NDArray[np.floating[Any]] | None = None
    """``(n, classes)`` probabilities or logits as ``Access`` says; under top-k the withheld entries are NaN."""
    outputs: Any = None
    """Embeddings ``(n, d)``, texts or images, for oracles that are no classifiers."""

    def __len__(self) -> int:
        """Number of answered queries."""
        for part in (self.labels, self.scores, self.outputs):
            if part is not None:
                return len(part)
        return 0

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The labels ``(n,)``: as given, else of the largest score shown."""
        if self.labels is not None:
            return np.asarray(self.labels, dtype=np.int64)
        if self.scores is None:
            raise InvalidData("expected answers of a classifier, got neither labels nor scores")
        return np.asarray(np.nanargmax(self.scores, axis=1), dtype=np.int64)

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """The answers to several batches, as one; with labels if any batch has some, with scores if every batch has."""
        labelled = any(part.labels is not None for part in parts)
        scores = [part.scores for part in parts if part.scores is not None]
        return cls(
            labels=np.concatenate([part.predicted for part in parts]) if labelled else None,
            scores=np.concatenate(scores) if scores and len(scores) == len(parts) else None,
        )

    def distributions(self, classes: int, access: Access) -> NDArray[np.float64]:
        """The best guess ``(n, classes)`` at the victim's probabilities, each row summing to 1.

        Labels become one-hot, the mass that top-k withholds is spread evenly over the withheld classes, logits go
        through a softmax, rounded probabilities are normalised again.
        """
        if self.scores is None:
            if self.labels is None:
                raise InvalidData("expected answers of a classifier, got neither labels nor scores")
            return np.eye(classes)[self.labels]
        scores = np.asarray(self.scores, dtype=np.float64)
        if access.answer is Answer.LOGITS:
            shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
            return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
        withheld = np.isnan(scores)
        shown = np.where(withheld, 0.0, np.clip(scores, 0.0, None))
        rest = np.clip(1.0 - shown.sum(axis=1, keepdims=True), 0.0, None)
        filled = np.where(withheld, rest / np.maximum(withheld.sum(axis=1, keepdims=True), 1), shown)
        total = filled.sum(axis=1, keepdims=True)
        return np.asarray(np.where(total > 0, filled / np.where(total > 0, total, 1.0), 1.0 / classes))


@dataclass(slots=True, kw_only=True)
class Budget:
    """A meter of queries, with an optional limit. A child's spending also counts against its parent."""

    limit: int | None = None
    spent: int = 0
    parent: Budget | None = None

    def __post_init__(self) -> None:
        """Refuse a limit below 1."""
        if self.limit is not None and self.limit < 1:
            raise BudgetExceeded(f"budget must be at least 1 query, got {self.limit}")

    @property
    def remaining(self) -> int | None:
        """Queries left, or None when neither this budget nor a parent has a limit."""
        mine = None if self.limit is None else self.limit - self.spent
        theirs = None if self.parent is None else self.parent.remaining
        return min((left for left in (mine, theirs) if left is not None), default=None)

    def spend(self, queries: int) -> None:
        """Count ``queries``; raise ``BudgetExceeded``, counting nothing, when they are more than what remains."""
        remaining = self.remaining
        if remaining is not None and queries > remaining:
            raise BudgetExceeded(f"{queries} queries asked, {remaining} left of the budget; raise it or ask less")
        self.spent += queries
        if self.parent is not None:
            self.parent.spend(queries)


@dataclass(slots=True, kw_only=True)
class Transcript:
    """What was asked and answered, in order. Attackers train on it; detectors and judges replay it."""

    queries: list[NDArray[Any]] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)

    def record(self, queries: NDArray[Any], answers: Answers) -> None:
        """Append one batch."""
        self.queries.append(queries.copy())
        self.answers.append(answers)

    def all_queries(self) -> NDArray[Any]:
        """Every query so far, ``(n, *shape)``."""
        return np.concatenate(self.queries)

    def all_answers(self) -> Answers:
        """Every answer so far, as one ``Answers`` of n rows."""
        return Answers.joined(self.answers)


class Oracle(ABC):
    """A model behind an interface. Subclasses write ``_answer``; checks, budget and transcript are done here."""

    def __init__(
        self,
        *,
        domain: Domain,
        classes: int,
        access: Access | None = None,
        budget: Budget | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        """``classes`` is the number of classes; ``transcript`` is kept only when one is given (it costs memory)."""
        self.domain = domain
        self.classes = classes
        self.access = access or Access()
        self.budget = budget or Budget()
        self.transcript = transcript

    @final
    def query(self, queries: Any) -> Answers:
        """Answer ``queries``, ``(n, *domain.shape)``, spending n of the budget.

        Raises:
            InvalidData: wrong shape, dtype or range, NaN, or an empty batch; nothing is spent.
            BudgetExceeded: the budget does not cover n queries; nothing is sent.
            OracleUnavailable: a remote oracle failed for good; the queries stay counted, since they may have arrived.
        """
        x = as_array(queries)
        self.domain.check(x, incomplete=self.access.incomplete)
        self.budget.spend(len(x))
        answers = self._answer(x)
        check_answers(answers, count=len(x), classes=self.classes, access=self.access)
        if self.transcript is not None:
            self.transcript.record(x, answers)
        return answers

    @final
    def ask(self, queries: Any, *, batch: int = 1024) -> Answers:
        """``query`` in batches of at most ``batch`` inputs; all answers in order."""
        x = as_array(queries)
        if len(x) == 0:
            return self.query(x)
        return Answers.joined([self.query(x[start : start + batch]) for start in range(0, len(x), batch)])

    @final
    def limited(self, limit: int, *, keep_transcript: bool = False) -> Oracle:
        """A view of this oracle with a budget of its own (which also counts against this one's)."""
        return BudgetedView(self, limit, keep_transcript=keep_transcript)

    @abstractmethod
    def _answer(self, queries: NDArray[Any]) -> Answers:
        """Answer checked queries, with exactly what ``self.access`` declares."""


@final
class BudgetedView(Oracle):
    """The same oracle under a budget of its own."""

    def __init__(self, inner: Oracle, limit: int, *, keep_transcript: bool) -> None:
        """See ``Oracle.limited``."""
        super().__init__(
            domain=inner.domain,
            classes=inner.classes,
            access=inner.access,
            budget=Budget(limit=limit, parent=inner.budget),
            transcript=Transcript() if keep_transcript else inner.transcript,
        )
        self._inner = inner

    def _answer(self, queries: NDArray[Any]) -> Answers:
        return self._inner._answer(queries)


def as_array(x: Any) -> NDArray[Any]:
    """``x`` as a NumPy array; tensors are detached and brought to the CPU."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().numpy()
    return np.asarray(x)


def check_answers(answers: Answers, *, count: int, classes: int, access: Access) -> None:
    """Raise ``OracleUnavailable`` when answers are not what ``access`` promises: wrong size, NaN, no simplex."""
    if len(answers) != count:
        raise OracleUnavailable(f"expected {count} answers, got {len(answers)}")
    labels, scores = answers.labels, answers.scores
    if labels is not None and (labels.min() < 0 or labels.max() >= classes):
        raise OracleUnavailable(f"expected labels in 0..{classes - 1}, got {labels.min()}..{labels.max()}")
    if scores is None:
        if access.answer in SCORED:
            raise OracleUnavailable(f"expected {access}, got labels only; declare the access as labels")
        return
    if scores.shape != (count, classes):
        raise OracleUnavailable(f"expected scores of shape ({count}, {classes}), got {scores.shape}")
    if access.answer is Answer.LOGITS:
        if not np.isfinite(scores).all():
            raise OracleUnavailable("expected finite logits, got NaN or infinity")
        return
    check_simplex(scores, access=access)


def check_simplex(scores: NDArray[Any], *, access: Access) -> None:
    """Raise ``OracleUnavailable`` unless each row of ``scores`` is a probability vector, up to rounding and top-k."""
    if access.answer is Answer.TOP_K:
        counts = (~np.isnan(scores)).sum(axis=1)
        most = scores.shape[1] if access.top_k is None else access.top_k
        if counts.min() < 1 or counts.max() > most:
            raise OracleUnavailable(f"expected 1 to {most} scores a row, got {counts.min()}..{counts.max()}")
    shown = scores if access.answer is Answer.TOP_K else np.where(np.isnan(scores), -1.0, scores)
    if np.nanmin(shown) < -SIMPLEX_TOLERANCE or np.nanmax(shown) > 1 + SIMPLEX_TOLERANCE:
        raise OracleUnavailable(
            "expected probabilities between 0 and 1, got NaN or values outside; if the server answers logits, say so"
        )
    rounding = 0.0 if access.decimals is None else scores.shape[1] * 0.5 * 10.0**-access.decimals
    sums = np.nansum(shown, axis=1)
    too_much = sums.max() > 1 + SIMPLEX_TOLERANCE + rounding
    too_little = access.answer is not Answer.TOP_K and sums.min() < 1 - SIMPLEX_TOLERANCE - rounding
    if too_much or too_little:
        raise OracleUnavailable(
            f"expected probabilities that sum to 1, got rows that sum to {sums.min():g}..{sums.max():g};"
            " if the server answers logits, say so"
        )


def narrowed(access: Access, **changes: Any) -> Access:
    """``access`` with these fields replaced."""
    return dataclasses.replace(access, **changes)
