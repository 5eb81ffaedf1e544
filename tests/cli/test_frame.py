"""Rehearsals of false claims on digits: who is convicted, what is said, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from stealproof.cli import main
from stealproof.inputs.claim import open_claim

QUICK = ("--references", "2", "--innocents", "2", "-p", "iterations=20", "-p", "radius=0.2", "-p", "triggers=40")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["frame", *arguments, "--data", "digits"])


@pytest.fixture(scope="module")
def somebodys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A perceptron for digits in a file."""
    out = tmp_path_factory.mktemp("frame") / "somebodys.safetensors"
    result = CliRunner().invoke(main, ["train", "mlp", "--data", "digits", "--out", str(out), "--epochs", "20"])
    assert result.exit_code == 0, result.output
    return out


def test_innocent_models_are_convicted_and_the_claim_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "false.claim"
    result = run("adi2018", *QUICK, "--out", str(out), "--json", "--seed", "2")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["accused"]["value"] == 1.0
    assert report["accused"]["n"] == 2
    assert [verdict["decision"] for verdict in report["verdicts"]] == ["owned", "owned"]
    assert report["attack"]["parameters"]["iterations"] == 20
    assert not report["published"]
    assert len(open_claim(out).secrets["labels"]) == 40


def test_control_models_keep_the_judge_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEALPROOF_CACHE", str(tmp_path / "cache"))
    result = run("ipguard", *QUICK, "--controls", "9", "--level", "0.1")
    assert result.exit_code == 0, result.output
    assert "transferable_triggers against ipguard, made without the accused model" in result.stdout
    assert "falsely convicted  0 of 2 (0%; 0% to 84%)" in result.stdout


def test_a_published_model_is_claimed_by_somebody_else(somebodys: Path) -> None:
    result = run("dawn", str(somebodys), "--attack", "ambiguity", "--references", "1", "-p", "radius=0.3")
    assert result.exit_code == 0, result.output
    assert "ambiguity against dawn, made from the accused model" in result.stdout
    assert "falsely convicted  1 of 1" in result.stdout


def test_the_papers_threshold_is_shown() -> None:
    result = run("conferrable", *QUICK, "-s", "least=3", "--architecture", "mlp")
    assert result.exit_code == 0, result.output
    assert "inconclusive 2" in result.stdout
    assert "the paper's        0.75 (decides nothing here)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--references", "1"], "takes at least --references 2, the accuser's own model included, got 1"),
        (["--references", "3", "-p", "held_out=3"], "takes at least --references 4"),
        (["-p", "triggers=0"], "triggers must be at least 1, got 0"),
        (["-p", "radius=0"], "radius must be above 0 and finite, got 0"),
        (["-p", "held_out=-1"], "held_out must be at least 0, got -1"),
        (["--attack", "hard_inputs", "-p", "noise=-1"], "noise must be at least 0 and finite, got -1"),
        (["--attack", "ambiguity", "-p", "candidates=5"], "candidates must be at least the 100 triggers, got 5"),
        (["--attack", "key_grinding", "-p", "attempts=0"], "attempts must be at least 1, got 0"),
        (["--out", "forged.txt"], "a claim is saved as .claim, got --out forged.txt; name it forged.claim"),
        (["--out", "there.claim"], "there.claim is already there; choose another --out, or overwrite it with --force"),
        (["--level", "3"], "the level must lie between 0 and 1, got 3.0"),
        (["--controls", "0"], "'--controls'"),
    ],
)
def test_what_cannot_end_well_is_refused_before_anything_is_trained(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stealproof.cli import _rehearsal

    monkeypatch.setattr(_rehearsal, "trained", lambda *_, **__: pytest.fail("a model was trained"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.claim").write_bytes(b"precious")
    result = run("adi2018", *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert (tmp_path / "there.claim").read_bytes() == b"precious"


def test_force_overwrites_a_claim_and_ctrl_c_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stealproof.cli._rehearsal import Judge

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Judge, "verdict", interrupted)
    out = tmp_path / "false.claim"
    out.write_bytes(b"old")
    result = run("adi2018", *QUICK, "--rows", "100", "--out", str(out), "--force")
    assert result.exit_code == 130, result.output
    assert "the claim is saved, but no verdicts are; the same command with --force starts over" in result.stderr
    assert len(open_claim(out).secrets["labels"]) == 40


def test_refuses_what_does_not_fit(somebodys: Path) -> None:
    result = run("uchida2017", "--attack", "ambiguity")
    assert result.exit_code == 2
    assert "finds nothing to forge in a claim under uchida2017" in result.stderr
    result = CliRunner().invoke(main, ["frame", "dawn", str(somebodys), "--data", "iris"])
    assert result.exit_code == 2
    assert "name the data that it was made for" in result.stderr
    result = run("adi2018", "--architecture", "decision_tree")
    assert result.exit_code == 2
    assert "decision_tree is no family of networks" in result.stderr
    result = run("adi2018", "--attack", "transferable")
    assert result.exit_code == 2
    assert "transferable_triggers" in result.stderr
