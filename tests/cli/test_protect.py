from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from stealproof.cli import main
from stealproof.cli._marking import spent_before
from stealproof.cli._protect_summary import in_words
from stealproof.defenses.training.regularization import Regularization
from stealproof.inputs.claim import open_claim
from stealproof.inputs.model import open_model, save_model
from stealproof.models.logistic_regression import LogisticRegression
from stealproof.models.mlp import Mlp
from stealproof.roles.dataset import Dataset
from stealproof.roles.ownership import model_digest
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained, train

pytestmark = pytest.mark.usefixtures("toy_schemes")
BRIEF = ("--epochs", "10")
PRIVATE = "dp_sgd(epsilon=8,accountant=rdp,joined=outside)"
STRONG = "regularization(strength=0.3)"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["protect", *arguments])


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def new_mark(folder: Path, *more: str) -> list[str]:
    out, claim = str(folder / "marked.safetensors"), str(folder / "mine.claim")
    return ["toy_mark", "mlp", "-a", "width=64", "--data", "digits", "--out", out, "--claim", claim, *BRIEF, *more]


@pytest.fixture
def victim(digits_victim: Trained, tmp_path: Path) -> Path:
    return save_model(digits_victim, tmp_path / "model" / "victim.safetensors")


def test_a_family_is_trained_marked_and_the_claim_holds_against_it(tmp_path: Path) -> None:
    result = run(*new_mark(tmp_path, "--compare", "--json"))
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["check"]["decision"] == "owned"
    assert report["scheme"] == {"name": "toy_mark", "parameters": {"count": 25, "times": 10}}
    price, n = report["accuracy_price"], report["accuracy"]["n"]
    assert price["value"] == pytest.approx(report["accuracy_unmarked"]["value"] - report["accuracy"]["value"])
    assert price["low"] <= price["value"] <= price["high"]
    assert n == 449
    assert files(tmp_path) == ["marked.json", "marked.safetensors", "mine.claim"]
    assert stat.S_IMODE((tmp_path / "mine.claim").stat().st_mode) == 0o600
    claim = open_claim(tmp_path / "mine.claim")
    marked = open_model(str(tmp_path / "marked.safetensors"))
    assert claim.model_digest == model_digest(marked.model)
    assert claim.parameters == {"count": 25, "times": 10}
    assert claim.secrets["inputs"].min() >= 0
    assert claim.secrets["inputs"].max() <= 1


def test_the_secrets_are_fresh_each_time_and_stand_in_the_claim_alone(tmp_path: Path) -> None:
    claims = []
    for name in ("one", "other"):
        result = run(*new_mark(tmp_path / name))
        assert "a fresh seed, which is kept in" in result.stderr
        claims.append(open_claim(tmp_path / name / "mine.claim"))
        seed = claims[-1].secrets["owner_seed"]
        assert str(seed) not in result.output
        assert str(seed) not in (tmp_path / name / "marked.json").read_text()
        assert not {"seed", "protections"} & set(open_model(str(tmp_path / name / "marked.safetensors")).card)
    assert not np.array_equal(claims[0].secrets["inputs"], claims[1].secrets["inputs"])


def test_a_seed_that_is_given_gives_the_same_files_and_a_warning(tmp_path: Path) -> None:
    for name in ("one", "other"):
        result = run(*new_mark(tmp_path / name, "--seed", "7"))
        assert "whoever guesses it knows them" in result.stderr
    for name in ("marked.safetensors", "marked.json", "mine.claim"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_a_model_file_is_trained_on_until_it_is_marked(victim: Path, tmp_path: Path) -> None:
    before = victim.read_bytes()
    out, claim = tmp_path / "marked.safetensors", tmp_path / "mine.claim"
    result = run("toy_mark", str(victim), "--out", str(out), "--claim", str(claim), "--epochs", "30", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["check"]["decision"] == "owned"
    assert report["data"]["name"] == "digits"
    assert report["accuracy_unmarked"]["value"] == open_model(str(victim)).accuracy(_digits_test()).value
    assert abs(report["accuracy_price"]["value"]) < 0.05
    assert victim.read_bytes() == before
    assert open_model(str(out)).card["family"]["parameters"]["width"] == 64


def test_a_private_run_tells_what_it_spent_and_its_card_nothing_of_the_mark(tmp_path: Path) -> None:
    pytest.importorskip("opacus")
    result = run(*new_mark(tmp_path, "--with", PRIVATE, "--epochs", "2", "--json"))
    assert result.exit_code == 0, result.output
    (account,) = json.loads(result.stdout)["protections"]
    assert account["parameters"]["joined"] == "outside"
    assert 4 < account["spent"]["epsilon"] <= 8
    assert "the noise of dp_sgd follows from it, too" in result.stderr
    card = json.loads((tmp_path / "marked.json").read_text())
    assert card["protections"] == [{"name": "dp_sgd", "spent": {"epsilon": 8.0, "delta": 1e-5}}]
    assert "seed" not in card
    seed = str(open_claim(tmp_path / "mine.claim").secrets["owner_seed"])
    assert not [word for word in ("toy_mark", "joined", seed) if word in json.dumps(card)]


def test_marking_a_private_model_file_says_that_its_promise_ends(tmp_path: Path) -> None:
    pytest.importorskip("opacus")
    assert run(*new_mark(tmp_path, "--with", PRIVATE, "--epochs", "1")).exit_code == 0
    files = ["--out", str(tmp_path / "again.safetensors"), "--claim", str(tmp_path / "again.claim")]
    result = run("adi2018", str(tmp_path / "marked.safetensors"), "--data", "digits", "--epochs", "1", *files)
    assert result.exit_code == 0, result.output
    assert "the promise of dp_sgd, by which" in result.stderr
    assert "does not hold for again.safetensors" in result.stderr
    assert "protections" not in json.loads((tmp_path / "again.json").read_text())


@pytest.mark.parametrize("listed", [None, 5, ["dp_sgd"], [{"name": "regularization"}]])
def test_a_card_without_a_promise_is_no_private_one(listed: Any) -> None:
    assert spent_before({"protections": listed}) == []


def test_the_text_tells_what_a_private_run_spent(tmp_path: Path) -> None:
    pytest.importorskip("opacus")
    defenses = f"{PRIVATE},fast_adversarial_training"
    lines = run(*new_mark(tmp_path, "--with", defenses, "--epochs", "1")).stdout.splitlines()
    assert lines[1:3] == ["with dp_sgd: epsilon 7.99 at delta 1e-05", "with fast_adversarial_training"]


def test_the_unmarked_twin_has_the_same_defenses(tmp_path: Path, digits: Dataset) -> None:
    given = ("--with", STRONG, "--compare", "--seed", "7", "--epochs", "2", "--json")
    report = json.loads(run(*new_mark(tmp_path, *given)).stdout)
    recipe = Recipe(epochs=2, batch=64, learning_rate=0.1)
    twin, plain = (
        train(Mlp(width=64), digits, recipe=recipe, protections=defenses, seed=7).accuracy(digits.test).value
        for defenses in ([Regularization(strength=0.3)], [])
    )
    assert report["accuracy_unmarked"]["value"] == twin < plain


def test_a_model_file_is_trained_on_with_defenses_and_the_price_is_that_of_the_mark(
    victim: Path, tmp_path: Path
) -> None:
    def marked(name: str, *more: str) -> Any:
        files = ("--out", str(tmp_path / f"{name}.safetensors"), "--claim", str(tmp_path / f"{name}.claim"))
        result = run("toy_mark", str(victim), *files, "--with", STRONG, "--epochs", "2", "--seed", "7", "--json", *more)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    report = marked("alone")
    assert report["accuracy_price"] is report["accuracy_unmarked"] is None
    assert open_model(report["path"]).card["protections"] == [{"name": "regularization"}]
    compared = marked("compared", "--compare")
    assert compared["accuracy"] == report["accuracy"]
    assert compared["accuracy_unmarked"]["value"] < open_model(str(victim)).accuracy(_digits_test()).value


def _digits_test() -> Any:
    from stealproof.inputs.data import open_data

    return open_data("digits").test


def test_a_fingerprint_leaves_the_model_as_it_is(victim: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in victim.parent.iterdir()}
    result = run("toy_weights", str(victim), "--claim", str(tmp_path / "mine.claim"), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["check"]["decision"] == "owned"
    assert {path: path.read_bytes() for path in victim.parent.iterdir()} == before
    assert open_claim(tmp_path / "mine.claim").model_digest == model_digest(open_model(str(victim)).model)
    assert files(tmp_path) == ["mine.claim", "model"]


def test_a_scheme_without_an_exact_null_is_told_to_bring_controls(victim: Path, tmp_path: Path) -> None:
    result = run("toy_print", str(victim), "--claim", str(tmp_path / "mine.claim"))
    assert result.exit_code == 0, result.output
    assert "not tested: it takes control models, with --controls 999 of verify for the level 0.001" in result.stdout


def test_the_text_tells_accuracy_price_and_what_the_claim_is_worth(tmp_path: Path) -> None:
    lines = run(*new_mark(tmp_path, "--compare")).stdout.splitlines()
    assert lines[0] == f"{tmp_path / 'marked.safetensors'} carries toy_mark"
    assert [line.split("  ")[0].strip() for line in lines[1:]] == [
        "test accuracy", "unmarked", "accuracy lost", "your own model",
    ]  # fmt: skip
    assert "owned, p = " in lines[4]


def test_a_claim_that_holds_nothing_says_so(tmp_path: Path) -> None:
    result = run(*new_mark(tmp_path, "-p", "count=1"))
    assert result.exit_code == 0, result.output
    assert "the claim does not even hold against your own model" in result.stdout


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        ({"path": "m.safetensors"}, "train longer, or take more triggers"),
        ({"model": "m"}, "as one that hardly overfits"),
    ],
    ids=["watermark", "fingerprint"],
)
def test_advice_is_for_what_the_scheme_can_change(made: dict[str, str], advice: str) -> None:
    check = {"decision": "not owned", "p_value": 0.5, "queries": 9, "level": 1e-3}
    assert advice in in_words({"scheme": {"name": "some"}, "check": check, **made})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["toy_marc", "mlp", "--data", "digits"], "no ownership is named 'toy_marc'; did you mean 'toy_mark'?"),
        (["toy_mark", "mpl", "--data", "digits"], "no model is named 'mpl'; did you mean 'mlp'?"),
        (["toy_mark", "mlp"], "toy_mark works with the owner's data; name them with --data"),
        (["toy_mark", "mlp", "--data", "digist"], "no data set is named 'digist'; did you mean 'digits'?"),
        (["toy_mark", "mlp", "--data", "digits", "-p", "cuont=1"], "no parameter of toy_mark is named 'cuont'"),
        (["toy_mark", "mlp", "--data", "digits", "-a", "depht=1"], "no parameter of mlp is named 'depht'"),
        (["toy_mark", "mlp", "--data", "digits", "-r", "epoch=1"], "no field of a recipe is named 'epoch'"),
        (["toy_mark", "mlp", "--data", "digits", "--epochs", "-1"], "epochs must be positive"),
        (["toy_mark", "lenet", "--data", "iris"], "lenet wants images"),
        (["toy_mark", "none.safetensors", "--data", "digits"], "there is no model file none.safetensors"),
        (["toy_mark", "a.pkl", "--data", "digits"], "is a pickle, which could run code"),
        (["toy_print", "mlp", "--data", "digits"], "takes the fingerprint of a trained model, and mlp is a family"),
        (["toy_guard", "mlp", "--data", "digits"], "toy_guard marks answers, not models: it stands as a guard"),
        (["toy_mark", "VICTIM", "-a", "width=3"], "-a width=... is for a family"),
        (["toy_mark", "VICTIM", "--data", "iris"], "takes inputs of shape (1, 8, 8) in 10 classes, but iris has (4,)"),
        (["toy_print", "VICTIM"], "toy_print leaves the model as it is and trains no other of it; drop --out"),
        (["toy_mark", "ESTIMATOR"], "is a scikit-learn estimator, which can't be trained on; name its family"),
        (["toy_print", "VICTIM", "--with", "trades"], "the model as it is and trains no other of it; drop --with"),
        (["entangled_watermarks", "mlp", "--data", "no.npz", "--with", "dp_sgd"], "but dp_sgd takes the gradients of"),
        (["toy_mark", "VICTIM", "--with", "dp_sgd"], "dp_sgd promises nothing for rows that VICTIM has seen before"),
        (["toy_mark", "mlp", "--data", "digits", "--with", "adi2018"], "marks a model so that it can be claimed"),
        (["toy_mark", "mlp", "--data", "digits", "--claim", "a.txt"], "a claim is saved as .claim, got --claim a.txt"),
        (["toy_mark", "mlp", "--data", "digits", "--out", "a.pt"], "a model is saved as .safetensors, got --out a.pt"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_exit_code_2_and_nothing_is_written(
    arguments: list[str], said: str, victim: Path, digits: Dataset, tmp_path: Path
) -> None:
    names = {"VICTIM": str(victim)}
    if "ESTIMATOR" in arguments:
        estimator = train(LogisticRegression(), digits)
        names["ESTIMATOR"] = str(save_model(estimator, victim.parent / "estimator.safetensors"))
    given = [names.get(argument, argument) for argument in arguments]
    folder = tmp_path / "out"
    folder.mkdir()
    result = run(
        "--out", str(folder / "m.safetensors"), "--claim", str(folder / "m.claim"), *given
    )  # fmt: skip
    assert result.exit_code == 2
    assert said.replace("VICTIM", names["VICTIM"]) in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert not list(folder.iterdir())


def test_a_watermark_wants_a_file_for_the_marked_model(tmp_path: Path) -> None:
    result = run("toy_mark", "mlp", "--data", "digits", "--claim", str(tmp_path / "m.claim"))
    assert result.exit_code == 2
    assert "toy_mark changes the model; name a .safetensors file for it with --out" in result.stderr


@pytest.mark.parametrize("there", ["mine.claim", "marked.safetensors", "marked.json"])
def test_what_is_there_is_not_overwritten_without_force(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_bytes(b"precious")
    result = run(*new_mark(tmp_path))
    assert result.exit_code == 2
    assert f"{tmp_path / there} is already there" in result.stderr
    assert files(tmp_path) == [there]
    assert (tmp_path / there).read_bytes() == b"precious"
    assert run(*new_mark(tmp_path, "--force")).exit_code == 0
    assert files(tmp_path) == ["marked.json", "marked.safetensors", "mine.claim"]


def test_a_full_disk_leaves_neither_model_nor_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stealproof.inputs import claim

    def full(*_: Any, **__: Any) -> Path:
        from stealproof.errors import StorageError

        raise StorageError("could not write mine.claim: no space left on device")

    monkeypatch.setattr(claim, "save_claim", full)
    result = run(*new_mark(tmp_path))
    assert result.exit_code == 2
    assert "no space left on device" in result.stderr
    assert not [name for name in files(tmp_path) if not name.startswith(".")]


def test_a_folder_that_cannot_be_written_to_is_noticed_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    result = run(*new_mark(tmp_path / "new"))
    assert result.exit_code == 2
    assert f"{tmp_path} is no folder that can be written to" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("defenses", [(), ("--with", PRIVATE)], ids=["alone", "private"])
def test_ctrl_c_keeps_the_run_and_its_secret_and_the_same_command_goes_on(
    defenses: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if defenses:
        pytest.importorskip("opacus")
    from stealproof.training import _checkpoint
    from stealproof.training._checkpoint import Checkpoint

    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    real = Checkpoint.save_if_due

    def interrupted(self: Checkpoint, step: int) -> None:
        real(self, step)
        if step == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save_if_due", interrupted)
        result = run(*new_mark(tmp_path, *defenses))
    assert result.exit_code == 130
    assert "run the same command again to continue" in result.stderr
    unfinished = [".marked.safetensors.unfinished", ".mine.claim.unfinished"]
    assert files(tmp_path) == unfinished
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in unfinished} == {0o600}
    seed = json.loads((tmp_path / ".mine.claim.unfinished").read_text())["seed"]
    assert run(*new_mark(tmp_path, *defenses)).exit_code == 0
    assert files(tmp_path) == ["marked.json", "marked.safetensors", "mine.claim"]
    assert open_claim(tmp_path / "mine.claim").secrets["owner_seed"] == seed
    assert run(*new_mark(tmp_path / "whole", "--seed", str(seed), *defenses)).exit_code == 0
    for name in ("marked.safetensors", "marked.json", "mine.claim"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_damaged_note_of_an_unfinished_run_is_said_and_force_forgets_it(tmp_path: Path) -> None:
    (tmp_path / ".mine.claim.unfinished").write_text("{}")
    result = run(*new_mark(tmp_path))
    assert result.exit_code == 2
    assert "belongs to an unfinished run, is damaged; delete it" in result.stderr
    assert run(*new_mark(tmp_path, "--force")).exit_code == 0


@pytest.mark.parametrize(
    ("stopped", "said"),
    [("enroll", "nothing is kept, the same command starts over"), ("own_verdict", "what is saved is whole")],
)
def test_ctrl_c_while_a_fingerprint_is_taken_or_checked(
    stopped: str, said: str, victim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stealproof.cli import _marking

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_marking, stopped, interrupted)
    result = run("toy_weights", str(victim), "--claim", str(tmp_path / "mine.claim"))
    assert result.exit_code == 130
    assert f"interrupted; {said}" in result.stderr
