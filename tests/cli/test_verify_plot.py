"""``stealproof verify --plot``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stealproof.cli import main
from stealproof.inputs.model import save_model
from stealproof.training.trained import Trained

pytestmark = pytest.mark.usefixtures("toy_schemes")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


@pytest.fixture
def claim(tmp_path: Path) -> str:
    out, path = str(tmp_path / "marked.safetensors"), str(tmp_path / "mine.claim")
    made = ["protect", "toy_mark", "mlp", "--data", "digits", "--out", out, "--claim", path, "--epochs", "10"]
    assert run(*made, "--seed", "1").exit_code == 0
    return path


def test_a_count_of_matches_is_drawn_against_chance(claim: str, digits_victim: Trained, tmp_path: Path) -> None:
    innocent = str(save_model(digits_victim, tmp_path / "innocent.safetensors"))
    for suspect, code, word in ((str(tmp_path / "marked.safetensors"), 0, "OWNED"), (innocent, 1, "NOT OWNED")):
        plot = tmp_path / "verdict.svg"
        result = run("verify", claim, suspect, "--plot", str(plot))
        assert result.exit_code == code, result.output
        assert f"saved {plot}" in result.stderr
        svg = plot.read_text(encoding="utf-8")
        assert f"{word}: p = " in svg
        assert "chance: 25 labels, each with 0.1" in svg


def test_a_file_that_cannot_be_drawn_is_noticed_before_anything_is_asked(claim: str, tmp_path: Path) -> None:
    result = run("verify", claim, "http://127.0.0.1:9/v2/models/m", "--data", "digits", "--plot", "plot.txt")
    assert result.exit_code == 2
    assert "a plot is saved as .svg, .png or .pdf, got plot.txt" in result.stderr
