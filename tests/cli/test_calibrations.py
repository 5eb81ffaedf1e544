"""What control models said about a claim is kept: whoever asks again is answered from the store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stealproof.cli import _controls, main
from stealproof.inputs.model import save_model
from stealproof.models.mlp import Mlp
from stealproof.oracles.module import ModuleOracle
from stealproof.roles.dataset import Dataset
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained

pytestmark = pytest.mark.usefixtures("toy_schemes")


class Asked:
    """Which networks were asked anything."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The oracles are held, so that no number is given twice.
        self.oracles: dict[int, ModuleOracle] = {}
        real = ModuleOracle._answer

        def noted(oracle: ModuleOracle, queries: Any) -> Any:
            self.oracles[id(oracle)] = oracle
            return real(oracle, queries)

        monkeypatch.setattr(ModuleOracle, "_answer", noted)

    def models(self) -> int:
        """How many since the last call."""
        count = len(self.oracles)
        self.oracles.clear()
        return count


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setenv("STEALPROOF_CACHE", str(tmp_path / "cache"))
    return Asked(monkeypatch)


@pytest.fixture
def suspect(digits_victim: Trained, tmp_path: Path) -> str:
    return str(save_model(digits_victim, tmp_path / "suspect.safetensors"))


@pytest.fixture
def claim(suspect: str, tmp_path: Path) -> str:
    path = str(tmp_path / "print.claim")
    assert CliRunner().invoke(main, ["protect", "toy_print", suspect, "--claim", path, "--seed", "1"]).exit_code == 0
    return path


def report(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["verify", *arguments, "--level", "0.25", "--json"])
    assert result.exit_code in (0, 1), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def controls(digits: Dataset, tmp_path: Path) -> list[str]:
    models = fit_many(Mlp(width=64), digits.pool, classes=10, seeds=range(4), recipe=Recipe(epochs=1, batch=64))
    given = []
    for number, model in enumerate(models):
        trained = Trained(model=model, domain=digits.domain, classes=10, card={})
        given += ["--control", str(save_model(trained, tmp_path / f"control{number}.safetensors"))]
    return given


def test_the_second_call_asks_the_controls_nothing(claim: str, suspect: str, controls: list[str], asked: Asked) -> None:
    asked.models()
    first = report(claim, suspect, *controls)
    assert asked.models() == 1 + 4
    assert report(claim, suspect, *controls) == first
    assert asked.models() == 1
    assert report(claim, suspect, *controls, "--fresh") == first
    assert asked.models() == 1 + 4


def test_controls_are_known_by_content_and_only_new_ones_are_asked(
    claim: str, suspect: str, controls: list[str], asked: Asked, tmp_path: Path
) -> None:
    first = report(claim, suspect, *controls[:6])
    asked.models()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("control0.safetensors", "control0.json"):
        shutil.copy(tmp_path / name, moved / name)
    again = report(claim, suspect, *controls[6:], *controls[2:6], "--control", str(moved / "control0.safetensors"))
    assert asked.models() == 1 + 1
    assert again["controls"][1:] == [*first["controls"][1:], first["controls"][0]]


@pytest.mark.parametrize("other", [["--seed", "3"], ["--access", "probabilities:2"], ["--level", "0.3"]])
def test_another_seed_access_or_level_is_another_question(
    other: list[str], claim: str, suspect: str, controls: list[str], asked: Asked
) -> None:
    report(claim, suspect, *controls)
    asked.models()
    given = ["verify", claim, suspect, "--level", "0.25", *controls, *other]
    assert CliRunner().invoke(main, given).exit_code in (0, 1)
    assert asked.models() == 1 + 4


def test_another_claim_is_another_question(
    claim: str, suspect: str, controls: list[str], asked: Asked, tmp_path: Path
) -> None:
    report(claim, suspect, *controls)
    other = str(tmp_path / "other.claim")
    CliRunner().invoke(main, ["protect", "toy_print", suspect, "--claim", other, "--seed", "2"])
    asked.models()
    report(other, suspect, *controls)
    assert asked.models() == 1 + 4


def test_a_damaged_entry_is_asked_for_again(
    claim: str, suspect: str, controls: list[str], asked: Asked, tmp_path: Path
) -> None:
    first = report(claim, suspect, *controls)
    (entry,) = (tmp_path / "cache" / "calibrations").rglob("*.json")
    entry.write_bytes(entry.read_bytes().replace(b"[-", b"[1", 1))
    asked.models()
    assert report(claim, suspect, *controls) == first
    assert asked.models() == 1 + 4


def test_what_a_function_returns_is_asked_each_time(
    claim: str, suspect: str, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rival_of_verify.py").write_text(
        "import torch\n\n\ndef rival():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n"
    )
    monkeypatch.chdir(tmp_path)
    given = (claim, suspect, "--data", "digits", "--control", "rival_of_verify:rival")
    asked.models()
    assert report(*given)["controls"] != report(*given)["controls"]
    assert asked.models() == 2 * (1 + 1)


def test_controls_trained_here_are_asked_once_and_more_of_them_only_add(
    claim: str, suspect: str, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_controls, "suited_recipe", lambda *_: Recipe(epochs=1), raising=False)
    first = report(claim, suspect, "--controls", "3")
    asked.models()
    assert report(claim, suspect, "--controls", "3") == first
    assert asked.models() == 1
    assert report(claim, suspect, "--controls", "5")["controls"][:3] == first["controls"]
    assert asked.models() == 1 + 2


def test_a_network_that_is_opened_is_opened_once(
    suspect: str, controls: list[str], asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = str(tmp_path / "weights.claim")
    assert CliRunner().invoke(main, ["protect", "toy_weights", suspect, "--claim", claim]).exit_code == 0
    first = report(claim, suspect, *controls)
    assert len(first["controls"]) == 4
    from toy_schemes.toy_weights import ToyWeights  # type: ignore[import-not-found]

    real, opened = ToyWeights._examine, list[Any]()

    def noted(scheme: Any, trial: Any) -> Any:
        opened.append(trial)
        return real(scheme, trial)

    monkeypatch.setattr(ToyWeights, "_examine", noted)
    assert report(claim, suspect, *controls) == first
    assert len(opened) == 1
