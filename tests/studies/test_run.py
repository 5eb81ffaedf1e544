from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stealproof.errors import InputError, StorageError
from stealproof.studies import sources
from stealproof.studies.run import Outcome, key_of_cell, load, run_study
from stealproof.studies.store import Store
from stealproof.studies.study import Study
from stealproof.studies.toml_file import read_study

Tosses = Callable[..., Study]


def test_computes_every_cell_once_and_reuses_it(tosses: Tosses, store: Store) -> None:
    study = tosses(0.2, 0.8)
    first = run_study(study, store=store)
    second = run_study(study, store=store)
    assert (first.computed, second.computed) == (6, 0)
    assert len(second.results) == 6
    assert [card.as_dict() for card in first.cards] == [card.as_dict() for card in second.cards]


def test_more_seeds_only_compute_the_new_ones(tosses: Tosses, store: Store) -> None:
    run_study(tosses(0.2), store=store)
    assert run_study(tosses(0.2, seeds=5), store=store).computed == 2


def test_fresh_computes_again(tosses: Tosses, store: Store) -> None:
    run_study(tosses(0.2), store=store)
    assert run_study(tosses(0.2), store=store, fresh=True).computed == 3


def test_an_edited_experiment_is_computed_again_and_an_edited_comment_is_not(
    tosses: Tosses, store: Store, coin: Path
) -> None:
    study = tosses(0.2)
    run_study(study, store=store)
    before = key_of_cell(study.cells()[0])

    coin.write_text(coin.read_text().replace("Throw a coin.", "Throw it.") + "\n\n# a remark\n")
    sources.code_digest.cache_clear()
    assert key_of_cell(study.cells()[0]) == before

    coin.write_text(coin.read_text().replace("< self.bias", "<= self.bias"))
    sources.code_digest.cache_clear()
    assert key_of_cell(study.cells()[0]) != before
    assert run_study(study, store=store).computed == 3


def test_a_failing_cell_is_told_with_its_arguments_and_not_stored(tosses: Tosses, store: Store) -> None:
    study = tosses(0.2, breaks="on purpose", seeds=1)
    good = tosses(0.4, breaks="", seeds=1)
    both = Study(
        name="both", title="", experiment="coin", combinations=study.combinations + good.combinations, seeds=(0,)
    )
    outcome = run_study(both, store=store)
    assert outcome.computed == 1
    (failure,) = outcome.failures
    assert failure.reason == "the coin stands on its edge; throw again"
    assert str(failure.cell) == "coin bias=0.2, breaks=on purpose, seed=0"
    assert failure.trace == ""
    assert load(failure.cell, store) is None
    assert [card.arguments for card in outcome.cards] == [good.combinations[0]]


def test_a_failure_that_nobody_foresaw_keeps_its_traceback(tosses: Tosses, store: Store) -> None:
    (failure,) = run_study(tosses(0.2, breaks="by mistake", seeds=1), store=store).failures
    assert failure.reason == "ZeroDivisionError: oops"
    assert "Traceback" in failure.trace


def test_an_interrupted_run_keeps_what_was_finished(tosses: Tosses, store: Store) -> None:
    study = tosses(0.2, 0.8, breaks="interrupted")
    with pytest.raises(KeyboardInterrupt):
        run_study(study, store=store)
    assert [load(cell, store) is not None for cell in study.cells()] == [True, True, False, False, False, False]


def test_a_damaged_entry_is_reported_and_computed_again(
    tosses: Tosses, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    study = tosses(0.2, seeds=2)
    first = run_study(study, store=store)
    path = store.path("cells", key_of_cell(study.cells()[0]))
    path.write_text(path.read_text().replace('"value": 0.', '"value": 1.'))
    with caplog.at_level(logging.WARNING):
        again = run_study(study, store=store)
    assert again.computed == 1
    assert "is damaged (its digest is another); computing it again" in caplog.text
    assert [card.measures for card in again.cards] == [card.measures for card in first.cards]


def test_a_disk_that_refuses_ends_the_study(tosses: Tosses, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not write"):
        run_study(tosses(0.2), store=Store(tmp_path / "file"))


def test_progress_counts_what_has_to_be_computed(tosses: Tosses, store: Store) -> None:
    run_study(tosses(0.2), store=store)
    seen: list[tuple[str, float]] = []
    run_study(tosses(0.2, 0.8), store=store, progress=lambda what, share: seen.append((what, share)))
    assert seen == [
        ("tosses: 3 of 6 cells are stored", 0.0),
        ("tosses: 1 of 3 cells", 1 / 3),
        ("tosses: 2 of 3 cells", 2 / 3),
        ("tosses: 3 of 3 cells", 1.0),
    ]


def test_refuses_what_cannot_run_before_it_computes_anything(tosses: Tosses, store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(InputError, match="bias must lie between 0 and 1, got 2"):
        run_study(tosses(0.2, 2, log=str(log)), store=store)
    assert not log.exists()


def test_the_engine_itself_needs_no_framework(coin: Path) -> None:
    assert "coin" not in sys.modules or "torch" not in vars(sys.modules["coin"])


DEPLOYED = """
title = "Two of them"
experiment = "deployment"
seeds = 1
[criterion]
accuracy = 0.05
[settings]
data = "digits"
family = "mlp"
family_parameters = { width = 8 }
owner_rows = 100
recipe = { epochs = 2 }
[axes]
protections = [[], ["regularization(strength=1e-4)"]]
"""


def test_an_edited_study_keeps_old_cells_apart_from_new_ones(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "two.toml"

    def run(content: str) -> Outcome:
        file.write_text(content)
        return run_study(read_study(file), store=store)

    first = run(DEPLOYED)
    assert first.computed == 2
    stricter = run(DEPLOYED.replace("0.05", "0.01"))
    assert stricter.computed == 0
    assert stricter.study.criterion != first.study.criterion
    edited = run(DEPLOYED.replace("1e-4", "1e-2"))
    assert edited.computed == 1
    assert len(edited.cards) == 2
    assert [card.arguments["protections"] for card in edited.cards] == [[], ["regularization(strength=1e-2)"]]
    # Going back finds everything as it was, and so does a second criterion.
    assert run(DEPLOYED).computed == 0
