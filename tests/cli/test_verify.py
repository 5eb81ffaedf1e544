from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from stealproof.claims import Claim
from stealproof.cli import main
from stealproof.inputs.claim import open_claim, save_claim
from stealproof.inputs.model import save_model
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.models.mlp import Mlp
from stealproof.roles.dataset import Dataset
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

pytestmark = pytest.mark.usefixtures("toy_schemes")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEALPROOF_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dispute")


@pytest.fixture
def marked(shelf: Path) -> tuple[str, str]:
    """A marked model and the claim to it, made once."""
    out, claim = str(shelf / "marked.safetensors"), str(shelf / "mine.claim")
    if not Path(out).exists():
        made = ["protect", "toy_mark", "mlp", "-a", "width=64", "--data", "digits", "--out", out, "--claim", claim]
        assert CliRunner().invoke(main, [*made, "--epochs", "10", "--seed", "1"]).exit_code == 0
    return claim, out


@pytest.fixture
def innocent(digits_victim: Trained, shelf: Path) -> str:
    return str(save_model(digits_victim, shelf / "innocent.safetensors"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["verify", *arguments])


def report_of(result: Result) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    return report


def altered(claim: str, folder: Path, **secrets: Any) -> str:
    found = open_claim(claim)
    return str(save_claim(dataclasses.replace(found, secrets={**found.secrets, **secrets}), folder / "altered.claim"))


def test_a_marked_model_is_owned_and_the_exit_code_says_so(marked: tuple[str, str]) -> None:
    result = run(*marked, "--json")
    assert result.exit_code == 0, result.output
    report = report_of(result)
    assert report["decision"] == "owned"
    assert report["statistic"] == 25
    assert report["p_value"] == pytest.approx(1e-25)
    assert report["threshold"] <= 12
    assert report["published_threshold"] == 12.5
    assert report["queries"] == 25 + 16
    assert report["access"] == "probabilities"
    assert report["scheme"] == "toy_mark"
    assert report["controls"] == []


def test_an_innocent_model_is_not_and_the_exit_code_says_so(marked: tuple[str, str], innocent: str) -> None:
    result = run(marked[0], innocent, "--json", "--access", "labels")
    assert result.exit_code == 1
    report = report_of(result)
    assert report["decision"] == "not owned"
    assert report["p_value"] > 0.001
    assert report["access"] == "labels"


def test_the_text_begins_with_the_decision_and_names_what_it_rests_on(marked: tuple[str, str], innocent: str) -> None:
    owned, other = run(*marked), run(marked[0], innocent)
    assert owned.stdout.startswith("OWNED: an independent model would hardly ever look like this\n")
    assert other.stdout.startswith("NOT OWNED: an independent model could well look like this\n")
    for part in (
        "null hypothesis  the suspect was made without knowledge of the labels",
        "p-value          1e-25 (level 0.001)",
        "statistic        25",
        "the paper's      12.5 (decides nothing here)",
        "queries          41; it answered probabilities",
        "- the p-value 1e-25 is at most the level 0.001",
    ):
        assert part in owned.stdout


def test_the_level_decides_and_too_few_triggers_are_counted(marked: tuple[str, str], tmp_path: Path) -> None:
    claim = open_claim(marked[0])
    few = {name: claim.secrets[name][:3] for name in ("inputs", "labels")}
    path = altered(marked[0], tmp_path, **few)
    result = run(path, marked[1], "--level", "0.0002", "--json")
    assert result.exit_code == 1
    report = report_of(result)
    assert report["decision"] == "inconclusive"
    assert any("it takes at least 4 triggers, got 3" in reason for reason in report["reasons"])
    assert run(path, marked[1], "--level", "0.01").exit_code == 0


def test_a_scheme_by_controls_is_inconclusive_without_and_trains_them_once(
    innocent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stealproof.training import fit_many

    claim = str(tmp_path / "print.claim")
    assert CliRunner().invoke(main, ["protect", "toy_print", innocent, "--claim", claim]).exit_code == 0
    without = run(claim, innocent, "--level", "0.1")
    assert without.exit_code == 1
    assert without.stdout.startswith("INCONCLUSIVE: this test can't tell")
    assert "at least 9 independent control models, got 0" in without.stdout
    assert "no value would reach the level" in without.stdout
    assert report_of(run(claim, innocent, "--json"))["threshold"] is None

    first = run(claim, innocent, "--level", "0.1", "--controls", "9", "--json")
    assert first.exit_code == 0, first.output
    report = report_of(first)
    assert report["decision"] == "owned"
    assert len(set(report["controls"])) == 9
    assert report["controls_are"] == "9 independent models (9 trained on the data's pool part)"
    assert "it accuses whoever trained on the same rows" in report["reasons"]
    monkeypatch.setattr(fit_many, "fit", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(fit_many, "train_batched", lambda *_, **__: pytest.fail("trained again"))
    again = run(claim, innocent, "--level", "0.1", "--controls", "9", "--json")
    assert report_of(again) == report


def test_own_controls_are_named_one_by_one(innocent: str, digits: Dataset, tmp_path: Path) -> None:
    claim = str(tmp_path / "print.claim")
    CliRunner().invoke(main, ["protect", "toy_print", innocent, "--claim", claim])
    controls = []
    for seed in range(3):
        model = fit(Mlp(width=8), digits.pool, classes=10, recipe=Recipe(epochs=1, batch=64), seed=seed)
        trained = Trained(model=model, domain=digits.domain, classes=10, card={})
        controls += ["--control", str(save_model(trained, tmp_path / f"control{seed}.safetensors"))]
    result = run(claim, innocent, "--level", "0.25", *controls)
    assert result.exit_code == 0, result.output
    assert "of 3 independent models (3 given)" in result.stdout
    twice = run(claim, innocent, *controls, "--control", controls[1])
    assert twice.exit_code == 2
    assert "name each independent model once" in twice.stderr
    itself = run(claim, innocent, "--control", innocent)
    assert itself.exit_code == 2
    assert "is the same as the suspect" in itself.stderr


def test_a_white_box_scheme_opens_a_file_and_nothing_else(innocent: str, v2: Any, tmp_path: Path) -> None:
    claim = str(tmp_path / "weights.claim")
    CliRunner().invoke(main, ["protect", "toy_weights", innocent, "--claim", claim])
    opened = run(claim, innocent, "--controls", "2")
    assert opened.exit_code == 0, opened.output
    assert "its network was opened" in opened.stdout
    assert "the same test accuses 0 of 2 independent models" in opened.stdout
    server = v2.start(lambda x: {"p": np.full((len(x), 10), 0.1)}, shape=(-1, 1, 8, 8), outputs=PROBABILITIES)
    closed = run(claim, server.url, "--data", "digits")
    assert closed.exit_code == 2
    assert "toy_weights opens the suspect's network, but only its answers are given" in closed.stderr


def test_an_estimator_has_no_network_to_open(innocent: str, digits: Dataset, tmp_path: Path) -> None:
    claim = str(tmp_path / "weights.claim")
    CliRunner().invoke(main, ["protect", "toy_weights", innocent, "--claim", claim])
    path = save_model(train(LogisticRegression(), digits), tmp_path / "estimator.safetensors")
    result = run(claim, str(path))
    assert result.exit_code == 2
    assert "toy_weights opens a network" in result.stderr


PROBABILITIES = (("p", "FP32", (-1, 10)),)


def served(v2: Any, answer: Any) -> Any:
    return v2.start(answer, shape=(-1, 1, 8, 8), outputs=PROBABILITIES)


def network(path: str) -> Any:
    from stealproof.inputs.model import open_model

    model = open_model(path).model

    def answer(x: NDArray[Any]) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            return {"p": model(torch.tensor(x).float()).softmax(dim=1).numpy()}

    return answer


def test_a_suspect_behind_a_url_is_judged_by_its_answers(marked: tuple[str, str], innocent: str, v2: Any) -> None:
    for path, code in ((marked[1], 0), (innocent, 1)):
        server = served(v2, network(path))
        result = run(marked[0], server.url, "--data", "digits", "-t", "batch=10", "--json")
        assert result.exit_code == code, result.output
        assert report_of(result)["queries"] == 41
        assert sum(server.batches) == 41


def test_an_onnx_file_is_judged_too(marked: tuple[str, str], tmp_path: Path) -> None:
    from stealproof.inputs.model import open_model

    pytest.importorskip("onnx")
    path = str(tmp_path / "suspect.onnx")
    _export(open_model(marked[1]).model, path)
    result = run(marked[0], path, "--data", "digits", "--json", "--access", "labels")
    assert result.exit_code == 0, result.output


def _export(model: torch.nn.Module, path: str) -> None:
    """A perceptron as an ONNX graph."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    first, second = (layer for layer in model if isinstance(layer, torch.nn.Linear))  # type: ignore[attr-defined]
    weights = {"a": first.weight, "b": first.bias, "c": second.weight, "d": second.bias}
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "a", "b"], ["h"], transB=1),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "c", "d"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "suspect",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(value.detach().numpy(), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def rate_limited(handler: Any) -> bool:
    if sum(handler.owner.batches) <= 10:
        return False
    handler.reply({"error": "slow down"}, status=429, headers={"Retry-After": "3600"})
    return True


def test_a_suspect_that_stops_answering_is_inconclusive_with_the_reason(marked: tuple[str, str], v2: Any) -> None:
    def refuses(handler: Any) -> bool:
        handler.reply({"error": "no"}, status=403)
        return True

    for fault, said in ((rate_limited, "429"), (refuses, "403")):
        server = served(v2, network(marked[1]))
        server.always = fault
        result = run(marked[0], server.url, "--data", "digits", "-t", "batch=10", "-t", "retries=0", "--json")
        assert result.exit_code == 1, result.output
        report = report_of(result)
        assert report["decision"] == "inconclusive"
        assert "the suspect stopped answering after" in report["reasons"][0]
        assert said in report["reasons"][0]
        assert report["threshold"] is None


def test_a_server_that_is_not_there_is_no_verdict(marked: tuple[str, str]) -> None:
    result = run(marked[0], "http://127.0.0.1:9/v2/models/m", "--data", "digits", "-t", "retries=0")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


def test_a_suspect_that_answers_at_random_or_always_the_same_is_inconclusive(marked: tuple[str, str], v2: Any) -> None:
    rng = np.random.default_rng(0)

    def at_random(x: NDArray[Any]) -> dict[str, NDArray[Any]]:
        return {"p": rng.dirichlet(np.ones(10), len(x))}

    def constant(x: NDArray[Any]) -> dict[str, NDArray[Any]]:
        return {"p": np.tile(np.eye(10)[3], (len(x), 1))}

    for answer, said in ((at_random, "contradicts itself"), (constant, "answers every input with class 3")):
        result = run(marked[0], served(v2, answer).url, "--data", "digits", "--json")
        assert result.exit_code == 1
        report = report_of(result)
        assert report["decision"] == "inconclusive"
        assert any(said in reason for reason in report["reasons"])


def test_triggers_that_are_public_prove_nothing(marked: tuple[str, str], tmp_path: Path) -> None:
    inputs = open_claim(marked[0]).secrets["inputs"]
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.random((40, 1, 8, 8)).astype(np.float32), inputs[:5]])
    leaked = tmp_path / "leaked.npz"
    np.savez(leaked, x=x, y=np.arange(len(x)) % 10)
    result = run(*marked, "--public", str(leaked), "--json")
    assert result.exit_code == 1
    report = report_of(result)
    assert report["decision"] == "inconclusive"
    assert any(reason.startswith("5 of the claim's inputs are public") for reason in report["reasons"])
    assert run(*marked, "--public", "digits").exit_code == 0
    misfit = run(*marked, "--public", "iris")
    assert misfit.exit_code == 2
    assert "the public data iris have inputs of shape (4,), but the suspect takes (1, 8, 8)" in misfit.stderr


def test_triggers_of_another_shape_repeated_or_missing_are_wrong_input(marked: tuple[str, str], tmp_path: Path) -> None:
    inputs = open_claim(marked[0]).secrets["inputs"]
    labels = np.zeros(25, dtype=np.int64)
    empty = inputs[:0]
    for secrets, said in (
        ({"inputs": np.zeros((25, 1, 9, 9), np.float32), "labels": labels}, "the suspect takes (1, 8, 8)"),
        ({"inputs": np.repeat(inputs[:5], 5, axis=0), "labels": labels}, "20 of the claim's 25 inputs are repeated"),
        ({"inputs": empty, "labels": labels[:0]}, "the claim holds no inputs"),
        ({"inputs": inputs + 3, "labels": labels}, "queries must lie in [0, 1]"),
    ):
        result = run(altered(marked[0], tmp_path, **secrets), marked[1])
        assert result.exit_code == 2
        assert said in result.stderr


def test_labels_are_not_enough_where_probabilities_are_needed(innocent: str, tmp_path: Path) -> None:
    claim = str(tmp_path / "print.claim")
    CliRunner().invoke(main, ["protect", "toy_print", innocent, "--claim", claim])
    result = run(claim, innocent, "--access", "labels")
    assert result.exit_code == 2
    assert "toy_print needs probabilities from the suspect, which gives labels" in result.stderr


def test_a_bad_claim_is_exit_code_3(marked: tuple[str, str], tmp_path: Path) -> None:
    content = bytearray(Path(marked[0]).read_bytes())
    content[-1] ^= 1
    damaged = tmp_path / "damaged.claim"
    damaged.write_bytes(content)
    bad = {
        str(damaged): "it is damaged",
        str(save_claim(Claim(scheme="unheard_of"), tmp_path / "a.claim")): "no ownership is named 'unheard_of'",
        str(save_claim(Claim(scheme="knockoff_nets"), tmp_path / "b.claim")): "no ownership is named",
        str(
            save_claim(Claim(scheme="toy_mark", parameters={"x": 1}), tmp_path / "c.claim")
        ): "no parameter of toy_mark",
        str(save_claim(Claim(scheme="toy_mark"), tmp_path / "d.claim")): "the claim of toy_mark holds no 'labels'",
    }
    for path, said in bad.items():
        result = run(path, marked[1])
        assert (result.exit_code, result.stdout) == (3, "")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none.claim", "SUSPECT"], 2, "there is no claim file none.claim"),
        (["a.pkl", "SUSPECT"], 2, "is a pickle"),
        (["CLAIM", "none.safetensors"], 2, "there is no model file none.safetensors"),
        (["CLAIM", "SUSPECT", "--level", "0"], 2, "the level must lie between 0 and 1, got 0.0"),
        (["CLAIM", "SUSPECT", "--level", "nan"], 2, "the level must lie between 0 and 1, got nan"),
        (["CLAIM", "SUSPECT", "--controls", "0"], 2, "expected at least 1 control model, got 0"),
        (["CLAIM", "SUSPECT", "--data", "iris"], 2, "but iris has (4,) in 3"),
        (["CLAIM", "SUSPECT", "--access", "lables"], 2, "no access is called 'lables'"),
        (["CLAIM", "SUSPECT", "-t", "batch=1"], 2, "a local model takes no options of a connection"),
        (["CLAIM", "SUSPECT", "--public", "digist"], 2, "no data set is named 'digist'"),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments: list[str], code: int, said: str, marked: tuple[str, str]) -> None:
    names = {"CLAIM": marked[0], "SUSPECT": marked[1]}
    result = run(*(names.get(argument, argument) for argument in arguments))
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_function_is_a_suspect_and_controls_need_data(
    marked: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_suspects.py").write_text(
        "from stealproof.inputs.model import open_model\n"
        f"def copy():\n    return open_model({marked[1]!r}).model\n"
        f"def oracle():\n    return open_model({marked[1]!r}).oracle()\n"
    )
    assert run(marked[0], "own_suspects:copy", "--data", "digits").exit_code == 0
    assert run(marked[0], "own_suspects:oracle").exit_code == 0
    result = run(marked[0], "own_suspects:oracle", "--controls", "3")
    assert result.exit_code == 2
    assert "control models are trained on the suspect's kind of data, which is not known; add --data" in result.stderr
