from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from stealproof.cli import main
from stealproof.inputs.model import open_model


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["wash", *arguments])


@pytest.fixture(scope="module")
def stolen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A perceptron for digits in a file."""
    out = tmp_path_factory.mktemp("stolen") / "stolen.safetensors"
    result = CliRunner().invoke(main, ["train", "mlp", "--data", "digits", "--out", str(out), "--epochs", "20"])
    assert result.exit_code == 0, result.output
    return out


def test_a_stack_is_washed_measured_and_saved(stolen: Path, tmp_path: Path) -> None:
    out, before = tmp_path / "w.safetensors", stolen.read_bytes()
    result = run(
        "weight-pruning+input_noising",
        str(stolen),
        *("--data", "digits", "--out", str(out), "--rows", "100", "--json", "--seed", "4"),
        *("-p", "weight-pruning.share=0.9", "-p", "input_noising.deviation=0.2"),
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [removal["name"] for removal in report["removals"]] == ["weight_pruning", "input_noising"]
    assert report["removals"][0]["parameters"]["share"] == 0.9
    assert report["rows"] == 100
    difference = report["accuracy"]["value"] - report["accuracy_before"]["value"]
    assert report["difference"]["value"] == pytest.approx(difference)
    assert report["difference"]["low"] < difference < report["difference"]["high"] < 0
    opened = open_model(str(out))
    assert opened.card["washing"]["removals"] == report["removals"]
    assert opened.card["accuracy"] == report["accuracy"]
    assert type(opened.model[0]).__name__ == "NoisedInput"
    weights = [tensor.numpy() for name, tensor in opened.model.state_dict().items() if name.endswith("weight")]
    assert np.mean(np.concatenate([one.ravel() for one in weights]) == 0) == pytest.approx(0.9, abs=1e-3)
    assert stolen.read_bytes() == before


def test_a_washed_model_can_be_washed_again_to_the_same_bytes(stolen: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.safetensors"
    result = run("feature_squeezing", str(stolen), "--data", "digits", "--out", str(first), "-p", "bits=3")
    assert result.exit_code == 0, result.output
    assert "feature_squeezing with 449 rows of digits" in result.stdout
    assert "difference" in result.stdout
    for name in ("a", "b"):
        out = tmp_path / name / "m.safetensors"
        result = run("fine_tuning", str(first), "--data", "digits", "--out", str(out), "-p", "epochs=1", "--seed", "2")
        assert result.exit_code == 0, result.output
    assert (tmp_path / "a" / "m.safetensors").read_bytes() == (tmp_path / "b" / "m.safetensors").read_bytes()


def test_the_card_keeps_the_family_only_while_the_network_is_one_of_it(stolen: Path, tmp_path: Path) -> None:
    cards = {}
    for name, parameters in (("weight_noise", []), ("retraining", ["-p", "architecture=strided_cnn"])):
        out = tmp_path / f"{name}.safetensors"
        result = run(name, str(stolen), "--data", "digits", "--out", str(out), "--rows", "64", *parameters)
        assert result.exit_code == 0, result.output
        cards[name] = open_model(str(out)).card
    assert cards["weight_noise"]["family"]["name"] == "mlp"
    assert "family" not in cards["retraining"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fine_tunign"], "no removal is named 'fine_tunign'; did you mean 'fine_tuning'?"),
        (["fine_tuning", "-p", "epoch=1"], "no parameter of fine_tuning is named 'epoch'; did you mean 'epochs'?"),
        (["fine_tuning+weight_noise", "-p", "epochs=1"], "say whose parameter epochs is, for example fine_tuning.epo"),
        (["fine_tuning", "-p", "retraining.labels=soft"], "no removal of this run is named 'retraining'"),
        (["fine_tuning", "-p", "epochs=0"], "epochs must be positive"),
        (["weight_pruning", "-p", "share=2"], "share must lie between 0 and 1, got 2"),
        (["fine_tuning", "--rows", "9999"], "rows must be at most the pool's 449, got 9,999"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2_and_nothing_is_written(
    arguments: list[str], said: str, stolen: Path, tmp_path: Path
) -> None:
    name, *rest = arguments
    result = run(name, str(stolen), "--data", "digits", "--out", str(tmp_path / "m.safetensors"), *rest)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_can_not_be_washed_is_said(stolen: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "m.safetensors")
    result = run("weight_noise", str(stolen), "--data", "iris", "--out", out)
    assert result.exit_code == 2
    assert "is for inputs of shape (1, 8, 8) in 10 classes, but iris has (4,) in 3" in result.stderr
    tree = tmp_path / "tree.safetensors"
    CliRunner().invoke(main, ["train", "decision_tree", "--data", "iris", "--out", str(tree)])
    result = run("weight_noise", str(tree), "--data", "iris", "--out", out)
    assert "is a scikit-learn estimator, and only networks can be washed" in result.stderr
    result = run("weight_noise", str(stolen), "--data", "digits", "--out", str(stolen))
    assert "is already there; choose another --out, or overwrite it with --force" in result.stderr
