from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from stealproof.cli import main

STUDY = """
title = "Two small thefts"
experiment = "theft"
seeds = 2
show = ["fidelity", "queries"]

[settings]
data = "digits"
victim = "mlp"
victim_parameters = { width = 32 }
victim_recipe = { epochs = 10 }
attack = "knockoff_nets"
architecture = "mlp"
recipe = { epochs = 10 }
uniform = 100

[axes]
budget = [20, 300]

[[expect]]
measure = "fidelity"
where = { budget = 300 }
minus = { budget = 20 }
at_least = 0.05
reference = "more queries tell more"
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["study", *arguments])


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEALPROOF_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "small.toml"
    path.write_text(STUDY)
    return path


def test_run_status_and_table_tell_one_story(study: Path, tmp_path: Path) -> None:
    before = run("status", str(study), "--json")
    assert json.loads(before.stdout) | {"missing": []} == {"study": "small", "cells": 4, "stored": 0, "missing": []}
    assert "nothing is stored yet" in run("table", str(study)).stdout

    out = tmp_path / "cards.json"
    ran = run("run", str(study), "--workers", "1", "--json", "--out", str(out))
    assert ran.exit_code == 0, ran.output
    assert "4 cells computed, 0 were stored" in ran.stderr
    cards = json.loads(ran.stdout)
    assert [card["name"] for card in cards] == ["budget=20", "budget=300"]
    assert [card["measures"]["queries"]["value"] for card in cards] == [20, 300]
    (finding,) = cards[1]["expectations"]
    assert finding["measured"] > 0.05
    assert finding["interval"][0] < finding["measured"] < finding["interval"][1]
    assert finding["expected"] == ">= 0.05"
    assert [card["name"] for card in json.loads(out.read_text())] == ["budget=20", "budget=300"]

    assert "4 of 4 cells are stored" in run("status", str(study)).stdout
    assert json.loads(run("table", str(study), "--json").stdout) == cards
    table = run("table", str(study), "-m", "accuracy").stdout
    assert table.splitlines()[0].split() == ["combination", "seeds", "accuracy"]
    assert "expectations:" in table

    again = run("run", str(study), "--workers", "1", "--seeds", "3")
    assert "2 cells computed, 4 were stored" in again.stderr
    missing = run("status", str(study), "--seeds", "4").stdout
    assert "missing: budget=20: seeds 3" in missing


def test_a_failing_cell_is_told_and_the_rest_is_kept(study: Path) -> None:
    study.write_text(STUDY.replace("[20, 300]", "[20, 100000]").partition("[[expect]]")[0])
    ran = run("run", str(study), "--workers", "1", "--seeds", "1", "--json")
    assert ran.exit_code == 1
    assert "failed: theft" in ran.stderr
    assert "budget=100000, seed=0: budget must be at most the pool's" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [card["name"] for card in json.loads(ran.stdout)] == ["budget=20"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"knockoff_nets"', '"knockof_nets"', "attack: no extraction is named 'knockof_nets'; did you mean"),
        ('"digits"', '"digit"', "data: no dataset is named 'digit'; did you mean 'digits'?"),
        ("width = 32", "with = 32", "victim: no parameter of mlp is named 'with'; did you mean 'width'?"),
        ('"mlp"\nrecipe', '"mlpp"\nrecipe', "architecture: no model is named 'mlpp'; did you mean 'mlp'?"),
        ("recipe = { epochs = 10 }", 'recipe = { epochs = "ten" }', "recipe's epochs must be a number, got 'ten'"),
        ("recipe = { epochs = 10 }", "recipe = { epoch = 10 }", "no field of a recipe is named 'epoch'"),
        ("uniform = 100", "uniform = -1", "uniform must be at least 0 inputs, got -1"),
        ("uniform = 100", 'access = "label"', "access: "),
        ("[20, 300]", "[0, 300]", "budget must be at least 1 query, got 0"),
        ('measure = "fidelity"', 'measure = "fidelty"', "did you mean 'fidelity'?"),
    ],
)
def test_mistakes_in_the_file_are_one_sentence(study: Path, old: str, new: str, told: str) -> None:
    assert old in STUDY
    study.write_text(STUDY.replace(old, new))
    ran = run("run", str(study))
    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith(f"error: {study}: ")
    assert told in ran.stderr


def test_an_unknown_study_is_named_with_its_neighbour() -> None:
    ran = run("status", "tramer2016-equation-solvin")
    assert ran.exit_code == 2
    assert "no study is named 'tramer2016-equation-solvin'" in ran.stderr
    assert run("run", "no_such_file.toml").exit_code == 2


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_cut_off_goes_on_where_it_was(study: Path, tmp_path: Path, blow: signal.Signals) -> None:
    study.write_text(STUDY.replace("[20, 300]", "[20, 40, 60, 80, 100, 300]").replace("seeds = 2", "seeds = 4"))
    program = "from stealproof.cli import main; main()"
    command = [sys.executable, "-c", program, "study", "run", str(study), "--workers", "2", "--json"]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    cells = tmp_path / "cache" / "cells"
    end = time.monotonic() + 120
    while len(list(cells.rglob("*.json"))) < 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    os.killpg(started.pid, blow) if blow == signal.SIGINT else started.kill()
    told = started.communicate(timeout=60)[1].decode()
    kept = len(list(cells.rglob("*.json")))
    if blow == signal.SIGINT:
        assert started.returncode == 130
        assert "run the same command again to continue" in told
        assert "Traceback" not in told
    again = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    words = again.stderr.split()
    stored = int(words[words.index("computed,") + 1])
    assert stored >= kept >= 3
    cards: list[Any] = json.loads(again.stdout)
    assert [len(card["seeds"]) for card in cards] == [4] * 6


TABLE = """
[table]
rows = "data"
columns = "budget"
measure = "fidelity"
"""


def test_a_study_with_a_table_prints_rows_and_columns(study: Path, tmp_path: Path) -> None:
    study.write_text(STUDY.replace("[settings]", f"{TABLE}\n[settings]"))
    ran = run("run", str(study), "--workers", "1")
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.splitlines()[0].split() == ["20", "300"]
    assert ran.stdout.splitlines()[1].startswith("digits ")
    assert "expectations:" in ran.stdout
    assert run("table", str(study), "-m", "fidelity").stdout.split()[0] == "combination"
    # Only schemes against suspects are drawn, which is said before anything is computed.
    for refused in (
        run("run", str(study), "--html", str(tmp_path / "p.html")),
        run("table", str(study), "--html", "p"),
    ):
        assert refused.exit_code == 2
        assert "small has neither a [table] of suspects nor a [criterion]; drop it" in refused.stderr
