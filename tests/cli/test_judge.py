"""A whole dispute on digits, each command as accuser, suspect and judge type it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from stealproof.cli import main
from stealproof.inputs.model import save_model
from stealproof.training.trained import Trained

PROBABILITIES = (("p", "FP32", (-1, 10)),)
LATER = "2100-01-01"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def done(*arguments: str) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory, tsa: Any, digits_victim: Trained) -> Path:
    """Dossiers to a planned and to a chosen claim, a stolen model, an innocent one with a dossier of its own, keys."""
    folder = tmp_path_factory.mktemp("court")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("STEALPROOF_CACHE", str(folder / "cache"))
        Path("root.pem").write_bytes(tsa.root.pem)
        for name in ("accuser", "suspect", "judge"):
            done("claim", "key", f"{name}.pem")
        stamp = ["--tsa", tsa.url, "--tsa-root", "root.pem"]
        key = ["--key", "accuser.pem"]
        done(
            "claim", "plan", "derived_triggers", "--data", "digits", "-p", "triggers=30", *key, "--out", "plan.dossier"
        )
        done("claim", "timestamp", "plan.dossier", *stamp)
        network = ["mlp", "-a", "width=64", "--data", "digits", "--epochs", "10"]
        done(
            "protect",
            "derived_triggers",
            *network,
            "--plan",
            "plan.dossier",
            "--out",
            "mine.safetensors",
            "--claim",
            "mine.claim",
        )
        done("claim", "new", "mine.claim", "--model", "mine.safetensors", *key, "--plan", "plan.dossier")
        done("claim", "timestamp", "mine.dossier", *stamp)
        done(
            "protect",
            "adi2018",
            *network,
            "-p",
            "triggers=30",
            "--seed",
            "1",
            "--out",
            "chosen.safetensors",
            "--claim",
            "chosen.claim",
        )
        done("claim", "new", "chosen.claim", "--model", "chosen.safetensors", *key)
        done("claim", "timestamp", "chosen.dossier", *stamp)
        for suffix in (".safetensors", ".json"):
            shutil.copy(f"mine{suffix}", f"stolen{suffix}")
        save_model(digits_victim, folder / "innocent.safetensors")
        done(
            "protect",
            "ipguard",
            "innocent.safetensors",
            "--data",
            "digits",
            "--claim",
            "theirs.claim",
            "-p",
            "count=10",
            "-p",
            "iterations=50",
        )
        done("claim", "new", "theirs.claim", "--model", "innocent.safetensors", "--key", "suspect.pem")
        done("claim", "timestamp", "theirs.dossier", *stamp)
    return folder


@pytest.fixture(autouse=True)
def here(court: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(court)
    monkeypatch.setenv("STEALPROOF_CACHE", str(tmp_path / "cache"))


def judge(*arguments: str) -> Result:
    return run("judge", *arguments)


def report_of(result: Result) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    return report


BELIEF = ("--tsa-root", "root.pem", "--accuser", "accuser.pem.pub", "--suspect-since", LATER)


def test_a_stolen_model_is_owned_and_both_sides_can_recompute_why(court: Path) -> None:
    result = judge("mine.dossier", "stolen.safetensors", *BELIEF, "--key", "judge.pem", "--out", "stolen.verdict")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("OWNED\n")
    assert (court / "stolen.verdict").stat().st_mode & 0o077 == 0
    (court / "stolen.safetensors").rename("away")
    try:
        replayed = judge("--replay", "stolen.verdict", "--judge", "judge.pem.pub", "--html", "stolen.html")
    finally:
        (court / "away").rename("stolen.safetensors")
    assert replayed.exit_code == 0, replayed.output
    assert "<strong>owned</strong>" in (court / "stolen.html").read_text()
    steps = result.stdout.split("\n1  ")[1]
    assert replayed.stdout.split("\n1  ")[1] == steps


def test_answers_of_labels_are_enough() -> None:
    result = judge("mine.dossier", "stolen.safetensors", *BELIEF, "--access", "labels", "--json")
    assert result.exit_code == 0
    report = report_of(result)
    assert report["access"] == "labels"
    assert [finding["ok"] for finding in report["findings"]] == [True] * 6 + [None, True]


def test_a_stolen_model_behind_a_url_is_owned_and_recomputed_when_the_server_is_gone(v2: Any) -> None:
    from stealproof.inputs.model import open_model

    model = open_model("stolen.safetensors").model

    def answer(x: NDArray[Any]) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            return {"p": model(torch.tensor(x).float()).softmax(dim=1).numpy()}

    server = v2.start(answer, shape=(-1, 1, 8, 8), outputs=PROBABILITIES)
    arguments = (*BELIEF, "--data", "digits", "--key", "judge.pem", "--out", "url.verdict")
    result = judge("mine.dossier", server.url, *arguments)
    assert result.exit_code == 0, result.output
    v2.stop()
    assert judge("--replay", "url.verdict").exit_code == 0


def test_an_innocent_model_is_not_owned() -> None:
    result = judge(
        "mine.dossier", "innocent.safetensors", *BELIEF, "--level", "1e-9", "--counter", "theirs.dossier", "--json"
    )
    assert result.exit_code == 1
    assert report_of(result)["decision"] == "not owned"


def test_a_chosen_claim_is_inconclusive_until_controls_were_asked() -> None:
    arguments = ("chosen.dossier", "chosen.safetensors", *BELIEF, "--seed", "1", "--json")
    report = report_of(judge(*arguments))
    assert report["decision"] == "inconclusive"
    assert report["seed"] == 1
    assert [f["step"] for f in report["findings"] if f["ok"] is False] == ["controls", "decision"]
    report = report_of(judge(*arguments, "--controls", "19", "--level", "0.05", "--public", "digits"))
    assert len(report["verdict"]["controls"]) == 19
    assert report["decision"] == "owned"


def test_the_suspects_own_dossier_can_come_first(tsa: Any) -> None:
    # The suspect's maker was there before this claim to the very same model.
    done(
        "claim",
        "new",
        "theirs.claim",
        "--model",
        "innocent.safetensors",
        "--key",
        "accuser.pem",
        "--out",
        "late.dossier",
    )
    done("claim", "timestamp", "late.dossier", "--tsa", tsa.url)
    result = judge("late.dossier", "innocent.safetensors", *BELIEF[:4], "--counter", "theirs.dossier", "--json")
    assert result.exit_code == 1
    assert report_of(result)["findings"][3]["ok"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["mine.dossier"], 2, "name the dossier and the suspect"),
        (["mine.dossier", "stolen.safetensors", "--out", "x.verdict"], 2, "give both or neither"),
        (["mine.dossier", "stolen.safetensors", "--key", "judge.pem", "--out", "x.zip"], 2, "saved as .verdict"),
        (["mine.claim", "stolen.safetensors"], 2, "mine.claim is a claim, which `stealproof verify` tests"),
        (["some.verdict", "stolen.safetensors"], 2, "a verdict, which `stealproof judge --replay` recomputes"),
        (["--replay", "mine.dossier"], 2, "mine.dossier is a dossier, which `stealproof claim show` describes"),
        (["plan.dossier", "stolen.safetensors"], 3, "the plan of one"),
        (["mine.dossier", "stolen.safetensors", "--accuser", "judge.pem.pub"], 3, "step 2, signer"),
        (["mine.dossier", "stolen.safetensors", "--accuser", "none.pub"], 2, "none.pub"),
        (["mine.dossier", "none.safetensors"], 2, "none.safetensors"),
        (["mine.dossier", "--replay", "x.verdict"], 2, "takes no CLAIM; drop it"),
        (["--replay", "x.verdict", "--level", "0.001", "--seed", "0"], 2, "takes no --level and no --seed; drop them"),
        (["--replay", "x.verdict", "--key", "judge.pem", "--out", "x.verdict"], 2, "takes no --key and no --out"),
        (["mine.dossier", "stolen.safetensors", "--judge", "judge.pem.pub"], 2, "--judge says whose verdict"),
        (["mine.dossier", "stolen.safetensors", "--html", "x.html"], 2, "a page shows a verdict file"),
        (["--replay", "none.verdict"], 2, "no file"),
    ],
)
def test_a_wrong_command_is_answered_with_one_sentence(arguments: list[str], code: int, message: str) -> None:
    result = judge(*arguments)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tsa-root", "none.pem"], "the certificate none.pem can't be read"),
        (["--accuser", "none.pub"], "none.pub"),
        (["--counter", "none.dossier"], "there is no file none.dossier"),
        (["--key", "none.pem", "--out", "x.verdict"], "none.pem"),
        (["--key", "judge.pem", "--out", "judge.pem/x.verdict"], "judge.pem is no folder"),
        (["--key", "judge.pem", "--out", "there.verdict"], "there.verdict is already there; choose another --out"),
        (["--level", "1"], "the level must lie between 0 and 1, got 1.0"),
        (["--level", "nan"], "the level must lie between 0 and 1, got nan"),
        (["--attempts", "0"], "'--attempts'"),
    ],
)
def test_evidence_is_read_before_models(arguments: list[str], message: str) -> None:
    Path("there.verdict").write_bytes(b"precious")
    result = judge("mine.dossier", "no_such_model.safetensors", "--controls", "19", "--data", "digits", *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "no_such_model" not in result.stderr
    assert Path("there.verdict").read_bytes() == b"precious"


def test_force_overwrites_a_verdict_and_dates_may_end_in_z() -> None:
    Path("again.verdict").write_bytes(b"old")
    signing = ("--key", "judge.pem", "--out", "again.verdict", "--force")
    result = judge("mine.dossier", "stolen.safetensors", *BELIEF[:4], "--suspect-since", f"{LATER}T15:24:48Z", *signing)
    assert result.exit_code == 0, result.output
    assert "2100-01-01 15:24:48 UTC" in " ".join(result.stdout.split())
    assert judge("--replay", "again.verdict").exit_code == 0


def test_a_verdict_on_the_inside_of_networks_says_that_it_cannot_be_replayed(toy_schemes: None) -> None:
    done("protect", "toy_weights", "innocent.safetensors", "--data", "digits", "--claim", "weights.claim")
    done("claim", "new", "weights.claim", "--model", "innocent.safetensors", "--key", "accuser.pem")
    signing = ("--key", "judge.pem", "--out", "weights.verdict")
    result = judge("weights.dossier", "innocent.safetensors", *signing)
    assert result.exit_code == 1, result.output
    assert "saved weights.verdict; it can't be replayed, since it rests on the inside of networks" in result.stderr
    assert "--replay" not in result.stderr
    assert judge("--replay", "weights.verdict").exit_code == 2


@pytest.mark.parametrize("given", [(), ("--seed", "7")], ids=["drawn", "given"])
def test_ctrl_c_tells_the_seed_that_trained_controls_follow_from(
    given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stealproof.cli import _controls

    seeds: list[int] = []

    def interrupted(*_: Any, seed: int, **__: Any) -> None:
        seeds.append(seed)
        raise KeyboardInterrupt

    monkeypatch.setattr(_controls, "trained_controls", interrupted)
    result = judge("chosen.dossier", "chosen.safetensors", "--controls", "19", *given)
    assert result.exit_code == 130
    again = "" if given else f" with --seed {seeds[0]}"
    said = f"interrupted; trained control models are kept, run the same command again{again} to continue\n"
    assert result.stderr == said
