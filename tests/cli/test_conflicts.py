from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from stealproof.cli import main
from stealproof.cli._protections import split_protections
from stealproof.errors import InputError
from stealproof.measures.intervals import mean_over_seeds, proportion
from stealproof.roles.risk import Measurement
from stealproof.studies.results import Failure
from stealproof.studies.results import Result as Finished
from stealproof.studies.run import Outcome
from stealproof.studies.study import Cell, Study


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["conflicts", *arguments])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("digits", "--with", "adi2018"), "needs at least 2 protections, got only adi2018; name another one"),
        (("digits", "--with", "adi2018,adi2018(triggers=5)"), "adi2018 is named 2 times; name each protection once"),
        (("digits", "--with", "adi2018,eraly_stopping"), "did you mean 'early_stopping'?"),
        (("digits", "--with", "adi2018,,early_stopping"), "expected names joined by commas"),
        (("digits", "--with", "adi2018,early_stopping(patience=2"), "expected names joined by commas"),
        (("digits", "--with", "adi2018,early_stopping(patiense=2)"), "did you mean 'patience'?"),
        (("digits", "--with", "adi2018,top_k"), "top_k changes the answers of an API and takes no part in training"),
        (("digits", "--with", "adi2018,knockoff_nets"), "knockoff_nets is no protection but of the kind extraction"),
        (("digitz", "--with", "adi2018,early_stopping"), "did you mean 'digits'?"),
        (("mlp", "--with", "adi2018,early_stopping"), "mlp is a model; name the data that it is for with --data"),
        (("digits", "--with", "adi2018,early_stopping", "-p", "width=3"), "'width' is a parameter of a model family"),
        (("digits", "--with", "adi2018,early_stopping", "--data", "iris"), "digits must be a model"),
        (("mlp", "--data", "digits", "--with", "adi2018,early_stopping", "-p", "widht=3"), "did you mean 'width'?"),
        (("decision_tree", "--data", "iris", "--with", "adi2018,early_stopping"), "decision_tree is none"),
        (("digits", "--with", "adi2018,early_stopping", "--rows", "9999"), "at most the owner's 899, got 9999"),
        (
            ("digits", "--with", "adi2018,early_stopping", "--criterion", "no.toml"),
            "could not read the criterion no.toml",
        ),
        (("digits", "--with", "adi2018,early_stopping", "--html", "no/such/page.html"), "is not a folder"),
        (("no.safetensors", "--with", "adi2018,early_stopping"), "there is no model file no.safetensors"),
        (("a.npz", "--with", "adi2018,early_stopping"), "there is no file or folder a.npz"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_trained(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("accuracy = -1", "at least 0, got -1"),
        ("[criterion]\naccuracy = {dorp = 0.1}", "did you mean 'drop'?"),
        ("accuracy 5", "expected a TOML file"),
        ("", "at least one limit"),
    ],
)
def test_a_criterion_that_can_not_be_is_named_with_its_file(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    result = run("digits", "--with", "adi2018,early_stopping", "--criterion", str(path))
    assert result.exit_code == 2
    assert f"{path}:" in result.stderr
    assert said in result.stderr


def test_lists_are_split_outside_of_parentheses_only() -> None:
    assert split_protections("dp_sgd(epsilon=3, clip=1), adi2018+trades") == (
        "dp_sgd(epsilon=3, clip=1)",
        "adi2018",
        "trades",
    )
    with pytest.raises(InputError):
        split_protections("dp_sgd)(,adi2018")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Study]]:
    """A function that decides what networks would measure, in place of training them; returns the studies asked for."""

    def install(effect_together: float, failing: str = "") -> list[Study]:
        asked: list[Study] = []

        def finished(cell: Cell) -> Finished | Failure:
            protections = cell.arguments["protections"]
            if failing in protections:
                return Failure(cell=cell, reason="it diverged")
            effect = 0.8 if len(protections) < 2 else effect_together
            estimates = {
                "accuracy": proportion(900 - cell.seed, 1000),
                "membership_inference.auc": mean_over_seeds([0.5, 0.52]),
                "adi2018.effect": mean_over_seeds([effect, effect + 0.001 * cell.seed]),
                "adi2018.detected": proportion(1, 1),
            }
            return Finished.of(cell, Measurement(estimates=estimates), cpu_seconds=1.0)

        def run_study(study: Study, **_: Any) -> Outcome:
            asked.append(study)
            found = [finished(cell) for cell in study.cells()]
            results = tuple(one for one in found if isinstance(one, Finished))
            failures = tuple(one for one in found if isinstance(one, Failure))
            return Outcome(study=study, results=results, failures=failures, computed=len(results))

        monkeypatch.setattr("stealproof.studies.run.run_study", run_study)
        return asked

    return install


def test_a_conflict_is_told_drawn_and_ends_with_1(tmp_path: Path, measured: Callable[..., list[Study]]) -> None:
    asked = measured(effect_together=0.1)
    page = tmp_path / "page.html"
    result = run("digits", "--with", "adi2018,early_stopping", "--seeds", "3", "--html", str(page))
    assert result.exit_code == 1, result.output
    assert "adi2018 with early_stopping: conflict: the effect of adi2018 falls from .80 to .10" in result.stdout
    assert "conjectured:" in result.stdout
    assert f"wrote {page}" in result.stderr
    assert "</html>" in page.read_text(encoding="utf-8")
    (study,) = asked
    assert (study.experiment, study.seeds, len(study.combinations)) == ("deployment", (0, 1, 2), 4)


def test_friends_end_with_0_and_json_is_all_there_is(measured: Callable[..., list[Study]]) -> None:
    measured(effect_together=0.79)
    result = run("mlp", "--data", "digits", "-p", "width=32", "--with", "adi2018,early_stopping", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    (pair,) = report["panels"][0]["interactions"]
    assert pair["verdict"] == "fine"
    assert report["panels"][0]["seeds"] == [0, 1, 2, 3, 4]
    assert (
        report["command"]
        == "stealproof conflicts mlp --data digits --with adi2018,early_stopping --seeds 5 -p width=32"
    )


def test_ones_own_criterion_decides(tmp_path: Path, measured: Callable[..., list[Study]]) -> None:
    measured(effect_together=0.79)
    path = tmp_path / "strict.toml"
    path.write_text("[criterion]\neffect = 0.001\n")
    result = run("digits", "--with", "adi2018,early_stopping", "--seeds", "3", "--criterion", str(path))
    assert result.exit_code == 1
    assert "adi2018 with early_stopping: conflict" in result.stdout


def test_one_network_that_fails_leaves_the_other_pairs(measured: Callable[..., list[Study]]) -> None:
    measured(effect_together=0.79, failing="regularization")
    result = run("digits", "--with", "adi2018,early_stopping,regularization")
    assert result.exit_code == 1
    assert "adi2018 with early_stopping: fine" in result.stdout
    assert "not measured: regularization: it diverged" in result.stdout


def test_nothing_measured_is_an_error_with_its_reason(measured: Callable[..., list[Study]]) -> None:
    measured(effect_together=0.79, failing="adi2018")
    result = run("digits", "--with", "adi2018,early_stopping", "--seeds", "2")
    assert result.exit_code == 2
    assert "error: no pair could be measured; adi2018: it diverged" in result.stderr
    assert result.stdout == ""


def test_a_model_file_stands_for_its_family_and_data(tmp_path: Path, measured: Callable[..., list[Study]]) -> None:
    asked = measured(effect_together=0.79)
    path = str(tmp_path / "m.safetensors")
    trained = ["train", "mlp", "--data", "digits", "--out", path, "-p", "width=16", "--epochs", "1"]
    assert CliRunner().invoke(main, trained).exit_code == 0
    result = run(path, "--with", "adi2018,early_stopping", "--quick", "--rows", "300")
    assert result.exit_code == 0, result.output
    arguments = asked[0].combinations[0]
    assert (arguments["data"], arguments["family"]) == ("digits", "mlp")
    assert arguments["family_parameters"]["width"] == 16
    assert arguments["owner_rows"] == 300
    refused = run(path, "--with", "adi2018,early_stopping", "-p", "width=3")
    assert refused.exit_code == 2
    assert "is trained already and takes no parameters" in refused.stderr


def test_ctrl_c_keeps_finished_networks_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stealproof.studies.experiments import _deployed
    from stealproof.training import trained as trained_module

    trained: list[list[str]] = []
    real = trained_module.train

    def watched(*arguments: Any, protections: list[Any], **more: Any) -> Any:
        trained.append([one.name() for one in protections])
        if interrupt and len(trained) == 2:
            raise KeyboardInterrupt
        return real(*arguments, protections=protections, **more)

    def conflicts(cache: str) -> Result:
        trained.clear()
        monkeypatch.setenv("STEALPROOF_CACHE", str(tmp_path / cache))
        protections = "adi2018(triggers=20,passes=5),regularization"
        return run(
            "mlp", "--data", "digits", "-p", "width=16", "--with", protections,
            "--seeds", "1", "--rows", "200", "--quick", "--workers", "1", "--json",
        )  # fmt: skip

    monkeypatch.setattr(_deployed, "train", watched)
    interrupt = True
    stopped = conflicts("cache")
    assert stopped.exit_code == 130
    assert "run the same command again to continue" in stopped.stderr
    assert stopped.stdout == ""
    interrupt = False
    resumed = conflicts("cache")
    assert trained == [["regularization"], ["adi2018", "regularization"]]
    assert "2 networks measured, 1 were stored, 0 of 3 failed" in resumed.stderr
    whole = conflicts("another")
    assert len(trained) == 3
    assert _without_times(resumed) == _without_times(whole)
    assert resumed.exit_code == whole.exit_code


def _without_times(result: Result) -> Any:
    report = json.loads(result.stdout, object_hook=lambda table: {k: v for k, v in table.items() if k != "cpu_seconds"})
    assert report["cards"]
    return report
