from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from stealproof.cli import main
from stealproof.inputs.model import open_model, save_model
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.training.trained import Trained, train

QUICK = ("-r", "epochs=3", "--uniform", "200")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["steal", *arguments])


@pytest.fixture(scope="module")
def victim(digits_victim: Trained, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_model(digits_victim, tmp_path_factory.mktemp("victims") / "digits.safetensors"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEALPROOF_CACHE", str(tmp_path / "cache"))


def test_a_saved_model_is_stolen_at_every_budget_and_the_last_surrogate_kept(victim: str, tmp_path: Path) -> None:
    out = tmp_path / "surrogate.safetensors"
    result = run(
        "knockoff_nets", "--target", victim, "--access", "labels", "--budget", "300", "--budget", "50",
        "--price-per-query", "0.01", "--out", str(out), "--json", *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    few, many = report["results"]
    assert [(one["budget"], one["queries"], one["cost"]) for one in (few, many)] == [(50, 50, 0.5), (300, 300, 3.0)]
    for one in (few, many):
        for name in ("accuracy", "victim_accuracy", "relative_accuracy", "fidelity", "kl", "uniform_fidelity"):
            estimate = one["estimates"][name]
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
    assert many["estimates"]["fidelity"]["value"] > few["estimates"]["fidelity"]["value"]
    assert report["access"] == "labels"
    assert report["data"]["name"] == "digits"
    assert report["examination_queries"] == 449 + 200
    saved = open_model(str(out))
    assert saved.card["theft"]["queries"] == 300
    assert saved.card["theft"]["attack"]["name"] == "knockoff_nets"


def test_the_table_has_a_column_for_each_budget(victim: str) -> None:
    result = run(
        "knockoff_nets", "--target", victim, "--budget", "50", "--budget", "60", "--price-per-query", "2", *QUICK
    )
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"knockoff_nets against {victim} (probabilities; pool own of 449)"
    assert lines[2].split() == ["queries", "50", "60"]
    assert any(line.split() == ["cost", "100.00", "120.00"] for line in lines)
    assert any(line.startswith("KL (nats)") for line in lines)
    assert "the examination asked the victim 649 more inputs" in result.stderr


def test_a_family_is_trained_on_the_spot() -> None:
    result = run("equation_solving", "--target", "logistic-regression", "--data", "iris", "--budget", "5", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["target"] == "logistic_regression on iris"
    assert report["results"][0]["queries"] == 5
    assert report["results"][0]["estimates"]["uniform_fidelity"]["value"] == 1.0


def test_the_thief_chooses_pool_network_and_seed(victim: str, tmp_path: Path) -> None:
    pool = tmp_path / "pool.npz"
    np.savez(pool, x=np.random.default_rng(0).random((60, 1, 8, 8)).astype(np.float32))
    arguments = ["knockoff_nets", "--target", victim, "--budget", "40", "--pool", str(pool), "--json", *QUICK]
    arguments += ["--architecture", "mlp", "-a", "width=9", "--access", "top-3:2"]
    reports = [json.loads(run(*arguments, "--seed", seed).stdout) for seed in ("1", "1", "2")]
    assert reports[0]["pool"]["inputs"] == 60
    assert reports[0]["architecture"] == {"name": "mlp", "parameters": {"width": 9, "depth": 1}}
    assert reports[0]["access"] == "top-3 probabilities, 2 decimals"
    fidelity = [report["results"][0]["estimates"]["uniform_kl"]["value"] for report in reports]
    assert fidelity[0] == fidelity[1] != fidelity[2]


def test_a_served_model(v2: Any, digits_victim: Trained) -> None:
    def answer(x: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {"p": digits_victim.model(torch.tensor(x).float()).softmax(dim=1).numpy()}

    server = v2.start(answer, shape=(-1, 1, 8, 8), outputs=(("p", "FP32", (-1, 10)),), token="key")
    arguments = ["knockoff_nets", "--target", server.url, "--data", "digits", "--budget", "100", "--examine", "30"]
    arguments += ["--uniform", "20", "--access", "labels", "--json", "-r", "epochs=3", "-t", "batch=50"]
    result = CliRunner().invoke(main, ["steal", *arguments], env={"STEALPROOF_TOKEN": "key"})
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["results"][0]["queries"] == 100
    assert report["examination_queries"] == 50
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert "answers 401" in refused.stderr
    assert "pass a token that it accepts" in refused.stderr


@pytest.mark.parametrize("journaled", [False, True])
def test_an_interruption_shows_what_was_paid_for(
    journaled: bool, victim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stealproof.roles.extraction import Extraction

    real = Extraction.steal

    def interrupted(self: Extraction, *arguments: Any, budget: int, **keywords: Any) -> Any:
        if budget == 60:
            raise KeyboardInterrupt
        return real(self, *arguments, budget=budget, **keywords)

    monkeypatch.setattr(Extraction, "steal", interrupted)
    journal = tmp_path / "answers"
    more = ("--journal", str(journal)) if journaled else ()
    result = run("knockoff_nets", "--target", victim, "--budget", "50", "--budget", "60", *QUICK, *more)
    assert result.exit_code == 130
    kept = f"answers are kept in {journal}, run the same command again to continue"
    assert (kept if journaled else "are not kept, and the same command asks for them again; --journal") in result.stderr
    assert result.stdout.splitlines()[2].split() == ["queries", "50"]


def test_a_journal_spares_the_victim_a_second_run(v2: Any, tmp_path: Path) -> None:
    sent: list[int] = []

    def answer(x: np.ndarray) -> dict[str, np.ndarray]:
        sent.append(len(x))
        return {"p": np.full((len(x), 10), 0.1)}

    server = v2.start(answer, shape=(-1, 1, 8, 8), outputs=(("p", "FP32", (-1, 10)),))
    arguments = ["knockoff_nets", "--target", server.url, "--data", "digits", "--budget", "60", "--examine", "5"]
    arguments += ["--uniform", "5", "-r", "epochs=1", "-t", "batch=20", "--journal", str(tmp_path / "answers")]
    assert run(*arguments).exit_code == 0
    first = sum(sent)
    assert first == 60 + 10
    again = run(*arguments, "--json")
    assert again.exit_code == 0, again.output
    assert sum(sent) == first
    assert json.loads(again.stdout)["results"][0]["queries"] == 60


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["knockof_nets"], "no extraction is named 'knockof_nets'; did you mean 'knockoff_nets'?"),
        (["knockoff_nets", "--budget", "0"], "budget must be at least 1 query, got 0"),
        (
            ["knockoff_nets", "--budget", "450"],
            "budget must be at most the pool's 449 inputs, got 450; lower the budget",
        ),
        (["knockoff_nets", "--access", "label"], "no access is called 'label'; expected one of labels"),
        (["knockoff_nets", "--pool", "iris"], "the pool iris does not fit the victim: expected queries of shape"),
        (["knockoff_nets", "--pool", "none"], "knockoff_nets needs a pool of natural inputs, got none"),
        (["knockoff_nets", "--data", "iris"], "takes inputs of shape (1, 8, 8) in 10 classes, but iris has (4,) in 3"),
        (["knockoff_nets", "--architecture", "decision_tree"], "a surrogate is a network, and decision_tree is none"),
        (["knockoff_nets", "-a", "width=3"], "-a width=... needs a family; name it with --architecture"),
        (["knockoff_nets", "-p", "rewrad=loss"], "no parameter of knockoff_nets is named 'rewrad'"),
        (["knockoff_nets", "-r", "epochs=-1"], "epochs must be positive"),
        (["knockoff_nets", "-t", "softmax=true"], "a local model takes no options of a connection, got 'softmax'"),
        (["knockoff_nets", "--price-per-query", "-1"], "price-per-query must be at least 0 and finite, got -1.0"),
        (["knockoff_nets", "--uniform", "-1"], "uniform must be at least 0 inputs, got -1"),
        (["equation_solving", "--access", "labels"], "equation_solving needs"),
        (["knockoff_nets", "--target", "lenett"], "no model is named 'lenett'; did you mean 'lenet'?"),
        (["knockoff_nets", "--target", "mlp"], "mlp is a family of models, to be trained first; name the data"),
        (["knockoff_nets", "--target", "gone.safetensors"], "there is no model file gone.safetensors"),
        (["knockoff_nets", "--target", "model.pt"], "model.pt is a pickle, which could run code"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], said: str, victim: str) -> None:
    if "--target" not in arguments:
        arguments = [*arguments, "--target", victim]
    if "--budget" not in arguments:
        arguments = [*arguments, "--budget", "10"]
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_linear_victim_is_saved_and_stolen_exactly(tmp_path: Path) -> None:
    from stealproof.inputs.data import open_data

    spec = save_model(train(LogisticRegression(), open_data("breast_cancer")), tmp_path / "lr.safetensors")
    result = run("equation_solving", "--target", str(spec), "--budget", "31", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["results"][0]
    assert found["queries"] == 31
    assert found["estimates"]["uniform_fidelity"]["value"] == 1.0
