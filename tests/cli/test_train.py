from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stealproof.cli import main
from stealproof.inputs.model import open_model


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["train", *arguments])


def test_a_network_is_trained_measured_and_saved(tmp_path: Path) -> None:
    out = tmp_path / "victim.safetensors"
    result = run("mlp", "--data", "digits", "--out", str(out), "-p", "width=32", "--epochs", "3", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["recipe"]["epochs"] == 3
    assert report["model"]["parameters"]["width"] == 32
    accuracy = report["accuracy"]
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]
    card = open_model(str(out)).card
    assert card["accuracy"] == accuracy
    assert card["recipe"] == report["recipe"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["victim.json", "victim.safetensors"]


def test_an_estimator_on_ones_own_table(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text("age,job,paid\n" + "".join(f"{i},{'cook' if i % 5 else 'smith'},{i > 20}\n" for i in range(40)))
    out = tmp_path / "m.safetensors"
    result = run("logistic_regression", "--data", str(table), "-d", "label=paid", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert "logistic_regression on 20 rows of own.csv: test accuracy" in result.stdout
    assert f"saved {out}" in result.stderr
    assert len(open_model(str(out)).card["data"]["sha256"]) == 64


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("mlp", "--data", "iris", "--out", str(tmp_path / name / "m.safetensors"), "--epochs", "2", "--seed", "5")
    one, other = ((tmp_path / name / "m.safetensors").read_bytes() for name in ("a", "b"))
    assert one == other


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mpl", "--data", "iris"], "no model is named 'mpl'; did you mean 'mlp'?"),
        (["mlp", "--data", "irsi"], "no data set is named 'irsi'; did you mean 'iris'?"),
        (["mlp", "--data", "iris", "-p", "widht=3"], "no parameter of mlp is named 'widht'; did you mean 'width'?"),
        (["mlp", "--data", "iris", "-p", "width=wide"], "parameter width of mlp must be int, got 'wide'"),
        (["mlp", "--data", "iris", "-p", "width"], "expected -p key=value, got 'width'"),
        (["mlp", "--data", "iris", "--epochs", "0"], "epochs must be positive"),
        (["mlp", "--data", "iris", "--epochs", "nan"], "epochs must be positive and finite, got nan"),
        (["mlp", "--data", "iris", "-r", "epoch=3"], "no field of a recipe is named 'epoch'; did you mean 'epochs'?"),
        (["logistic_regression", "--data", "iris", "--epochs", "3"], "takes no recipe; drop epochs"),
        (["lenet", "--data", "iris"], "lenet wants images"),
        (["mlp", "--data", "notmnist.pkl"], "is a pickle, which could run code"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2_and_nothing_is_written(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    result = run(*arguments, "--out", str(tmp_path / "m.safetensors"))
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten_without_force(tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    out.write_bytes(b"precious")
    arguments = ["mlp", "--data", "iris", "--epochs", "1", "--out", str(out)]
    result = run(*arguments)
    assert result.exit_code == 2
    assert "is already there; choose another --out, or overwrite it with --force" in result.stderr
    assert out.read_bytes() == b"precious"
    assert run(*arguments, "--force").exit_code == 0
    result = run("mlp", "--data", "iris", "--out", str(tmp_path / "m.pt"))
    assert f"a model is saved as .safetensors, got --out {tmp_path / 'm.pt'}" in result.stderr


def test_ctrl_c_keeps_the_run_and_the_same_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stealproof.training import _checkpoint
    from stealproof.training._checkpoint import Checkpoint

    out, whole = tmp_path / "m.safetensors", tmp_path / "whole.safetensors"
    arguments = ["mlp", "--data", "iris", "--epochs", "4", "-r", "batch=16"]
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    real = Checkpoint.save_if_due

    def interrupted(self: Checkpoint, step: int) -> None:
        real(self, step)
        if step == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save_if_due", interrupted)
        result = run(*arguments, "--out", str(out))
    assert result.exit_code == 130
    assert "run the same command again to continue" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".m.safetensors.unfinished"]
    assert run(*arguments, "--out", str(out)).exit_code == 0
    assert run(*arguments, "--out", str(whole)).exit_code == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_training_defenses_are_in_the_card(tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    defenses = "early_stopping(patience=2),regularization"
    result = run("mlp", "--data", "digits", "--out", str(out), "--epochs", "2", "--with", defenses)
    assert result.exit_code == 0, result.output
    assert "with early_stopping" in result.stdout
    decay, stopping = open_model(str(out)).card["protections"]
    assert stopping["name"] == "early_stopping"
    assert stopping["parameters"]["patience"] == 2
    assert decay["name"] == "regularization"


@pytest.mark.parametrize(
    ("defenses", "said"),
    [
        ("early_stoping", "no training defense is named 'early_stoping'; did you mean 'early_stopping'?"),
        ("adi2018", "`stealproof protect adi2018` trains with it and keeps the claim"),
        ("early_stopping(patience=0)", "patience of early_stopping must be at least 1, got 0"),
        ("top_k", "takes no part in training"),
    ],
)
def test_what_is_no_training_defense_is_refused(tmp_path: Path, defenses: str, said: str) -> None:
    result = run("mlp", "--data", "digits", "--out", str(tmp_path / "m.safetensors"), "--with", defenses)
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []
