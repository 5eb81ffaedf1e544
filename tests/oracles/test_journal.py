from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stealproof.defenses.answers.top_k import TopK
from stealproof.errors import BudgetExceeded, InputError, InvalidData, StorageError
from stealproof.oracle import Access, Answer, Answers, Budget, Domain, Oracle
from stealproof.oracles.guarded import GuardedOracle
from stealproof.oracles.journal import JournalOracle

X = np.random.default_rng(0).random((20, 3)).astype(np.float32)


class Thirds(Oracle):
    """Answers that a float32 does not hold exactly."""

    def _answer(self, queries: NDArray[Any]) -> Answers:
        scores = np.abs(queries.astype(np.float64)) + 1 / 3
        scores /= scores.sum(axis=1, keepdims=True)
        return Answers(labels=scores.argmax(axis=1), scores=scores)


def thirds() -> Thirds:
    return Thirds(domain=Domain(shape=(3,)), classes=3)


def test_what_is_written_down_is_not_asked_again(tmp_path: Path) -> None:
    first, path = thirds(), tmp_path / "journal"
    expected = thirds().query(X)
    JournalOracle(first, path, target="m").query(X[:12])
    assert first.budget.spent == 12
    second = thirds()
    journal = JournalOracle(second, path, target="m")
    found = journal.query(X)
    assert np.array_equal(np.asarray(found.scores), np.asarray(expected.scores))
    assert np.array_equal(found.predicted, expected.predicted)
    assert (journal.budget.spent, second.budget.spent) == (20, 8)
    # Wider floats of the same values are the same inputs.
    journal.query(X.astype(np.float64))
    assert second.budget.spent == 8


def test_an_input_that_occurs_twice_is_asked_once(tmp_path: Path) -> None:
    inner = thirds()
    answers = JournalOracle(inner, tmp_path / "journal", target="m").query(X[[0, 1, 0]])
    assert inner.budget.spent == 2
    assert np.array_equal(np.asarray(answers.scores)[0], np.asarray(answers.scores)[2])


def test_its_own_budget_counts_every_query(tmp_path: Path) -> None:
    JournalOracle(thirds(), tmp_path / "journal", target="m").query(X)
    again = JournalOracle(thirds(), tmp_path / "journal", target="m", budget=Budget(limit=5))
    with pytest.raises(BudgetExceeded):
        again.query(X[:6])


def test_withheld_scores_stay_withheld(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    for _ in range(2):
        journal = JournalOracle(GuardedOracle(thirds(), [TopK(k=1)]), path, target="m")
        assert int(np.isnan(np.asarray(journal.query(X).scores)).sum()) == 2 * len(X)


def test_a_line_that_a_crash_cut_short_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    JournalOracle(thirds(), path, target="m").query(X)
    path.write_bytes(path.read_bytes()[:-10])
    inner = thirds()
    JournalOracle(inner, path, target="m").query(X)
    assert inner.budget.spent == 1
    last = thirds()
    JournalOracle(last, path, target="m").query(X)
    assert last.budget.spent == 0


def test_the_journal_of_another_target_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    JournalOracle(thirds(), path, target="m")
    with pytest.raises(InputError, match="holds answers for target 'm', not 'other'; name another file"):
        JournalOracle(thirds(), path, target="other")
    labels = Thirds(domain=Domain(shape=(3,)), classes=3, access=Access(answer=Answer.LABELS))
    with pytest.raises(InputError, match="holds answers for access 'probabilities', not 'labels'"):
        JournalOracle(labels, path, target="m")


@pytest.mark.parametrize(
    "content", [b"", b"no json\n", b'{"format": "other"}\n', b"[]\n", b'{"format": 1}\n{}\n', b"\xff\n"]
)
def test_what_is_no_journal_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(InvalidData, match="is no journal of answers"):
        JournalOracle(thirds(), path, target="m")
    assert path.read_bytes() == content


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = JournalOracle(thirds(), tmp_path / "journal", target="m")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"could not write the journal .*: No space left on device; free some space"):
        journal.query(X)
