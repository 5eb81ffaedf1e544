"""``stealproof protect`` on a bare data set: what is written can be trained on, and is found again."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from stealproof.cli import main
from stealproof.inputs.claim import open_claim
from stealproof.inputs.data import open_data

pytestmark = pytest.mark.usefixtures("toy_schemes")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


def marking(folder: Path, *more: str, data: str = "digits") -> list[str]:
    out, claim = str(folder / "marked.npz"), str(folder / "mine.claim")
    return ["protect", "radioactive_data", data, "--out", out, "--claim", claim, *more]


def test_who_trains_on_the_written_data_is_found_and_who_does_not_is_not(tmp_path: Path) -> None:
    assert run(*marking(tmp_path, "-p", "marked=1.0", "--seed", "1")).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["marked.npz", "mine.claim"]
    assert stat.S_IMODE((tmp_path / "mine.claim").stat().st_mode) == 0o600
    decisions = {}
    for data in (str(tmp_path / "marked.npz"), "digits"):
        model = str(tmp_path / f"{Path(data).stem}.safetensors")
        assert run("train", "mlp", "--data", data, "--out", model).exit_code == 0
        result = run("verify", str(tmp_path / "mine.claim"), model, "--level", "0.05", "--json")
        decisions[Path(data).stem] = json.loads(result.stdout)["decision"]
    assert decisions == {"marked": "owned", "digits": "not owned"}


def test_only_rows_to_train_on_are_marked_and_they_are_those_of_the_claim(tmp_path: Path) -> None:
    result = run(*marking(tmp_path, "-p", "marked=0.2", "-p", "radius=8", "--json"))
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    before, after = open_data("digits"), open_data(str(tmp_path / "marked.npz"))
    assert (after.classes, after.domain, set(after.parts)) == (before.classes, before.domain, set(before.parts))
    for name in ("test", "pool"):
        assert torch.equal(before.parts[name].x, after.parts[name].x)
        assert torch.equal(before.parts[name].y, after.parts[name].y)
    # The reader deals the training rows out in an order of its own.
    old, new = ({row.tobytes() for row in data.train.x.numpy()} for data in (before, after))
    assert len(new - old) == report["marked"] == round(0.2 * len(before.train))
    assert report["rows"] == len(before.train)
    assert 0 < report["largest_change"] <= 8 / 255 + 1e-6
    claim = open_claim(tmp_path / "mine.claim")
    assert {row.tobytes() for row in claim.secrets["inputs"]} <= new - old
    assert claim.model_digest == ""
    assert str(claim.secrets["owner_seed"]) not in result.output


def test_a_seed_that_is_given_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        assert run(*marking(tmp_path / name, "--seed", "7")).exit_code == 0
    for name in ("marked.npz", "mine.claim"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_what_the_file_cannot_tell_is_told_beside_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(60, 1, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(60) % 3)
    given = ["-d", "low=-2", "-d", "high=2", "-d", "classes=4", "-d", "pool_fraction=0", "-d", "test_fraction=0"]
    result = run(*marking(tmp_path, *given, data=str(tmp_path / "own.npz")))
    assert result.exit_code == 0, result.output
    told = "-d low=-2 -d high=2 -d classes=4 -d test_fraction=0 -d pool_fraction=0"
    assert told in result.stdout
    parameters: dict[str, Any] = {"low": -2.0, "high": 2.0, "classes": 4, "test_fraction": 0, "pool_fraction": 0}
    after = open_data(str(tmp_path / "marked.npz"), **parameters)
    assert set(after.parts) == {"train"}
    assert (after.classes, len(after.train)) == (4, 60)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["toy_mark", "digits"], "toy_mark can't mark data by themselves, and digits is a data set; name a model or"),
        (["toy_print", "digits"], "toy_print can't mark data by themselves"),
        (["toy_guard", "own.npz"], "toy_guard can't mark data by themselves, and own.npz is a data set"),
        (["radioactive_data", "digist"], "no model is named 'digist'"),
        (["radioactive_data", "none.npz"], "there is no file or folder none.npz"),
        (["radioactive_data", "UNLABELLED"], "unlabelled.npz has no part 'train'; it has: pool"),
        (["radioactive_data", "digits", "--out", "a.safetensors"], "marked data are saved as .npz, got --out a.saf"),
        (["radioactive_data", "digits", "--data", "digits"], "digits is a data set and no model is trained for you;"),
        (["radioactive_data", "digits", "--compare"], "no model is trained for you; drop --compare"),
        (["radioactive_data", "digits", "--with", "dp_sgd"], "no model is trained for you; drop --with"),
        (["radioactive_data", "digits", "-p", "marked=2"], "marked must be above 0 and at most 1, got 2"),
        (["radioactive_data", "digits", "-d", "fold=2"], "no parameter of digits is named 'fold'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_nothing_is_written(arguments: list[str], said: str, tmp_path: Path) -> None:
    unlabelled = tmp_path / "unlabelled.npz"
    np.savez(unlabelled, x=np.zeros((5, 1, 8, 8), np.float32))
    folder = tmp_path / "out"
    folder.mkdir()
    given = [str(unlabelled) if argument == "UNLABELLED" else argument for argument in arguments]
    result = run("protect", "--out", str(folder / "m.npz"), "--claim", str(folder / "m.claim"), *given)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("there", ["mine.claim", "marked.npz"])
def test_what_is_there_is_not_overwritten_without_force(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_bytes(b"precious")
    result = run(*marking(tmp_path))
    assert result.exit_code == 2
    assert f"{tmp_path / there} is already there" in result.stderr
    assert (tmp_path / there).read_bytes() == b"precious"
    assert run(*marking(tmp_path, "--force")).exit_code == 0
    assert open_data(str(tmp_path / "marked.npz")).classes == 10
