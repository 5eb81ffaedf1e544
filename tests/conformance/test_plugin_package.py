"""A third-party package, really installed, joins listings, ``show``, and the catalog, by one entry point."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[1] / "plugin"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the example package is installed, in a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    source = shutil.copytree(PLUGIN, tmp_path_factory.mktemp("source") / "plugin")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, *offline, "--target", str(target), str(source)], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": str(target)}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from stealproof.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_an_installed_attack_is_listed_beside_our_own(environment: dict[str, str]) -> None:
    listed = json.loads(run(environment, "list", "extraction", "--json").stdout)
    names = [entry["name"] for entry in listed]
    assert "majority_thief" in names
    assert "knockoff_nets" in names


def test_an_installed_attack_can_be_shown_and_its_name_is_suggested(environment: dict[str, str]) -> None:
    shown = json.loads(run(environment, "show", "majority_thief", "--json").stdout)
    assert shown["module"] == "stealproof_example.attacks.majority_thief"
    assert [parameter["name"] for parameter in shown["parameters"]] == ["confidence"]
    wrong = run(environment, "show", "majority_theif")
    assert wrong.returncode == 2
    assert "did you mean 'majority_thief'?" in wrong.stderr


def test_an_installed_attack_steals_through_the_command_line(environment: dict[str, str]) -> None:
    done = run(
        environment,
        *("steal", "majority_thief", "--target", "logistic_regression", "--data", "iris"),
        *("--budget", "60", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert '"fidelity"' in done.stdout
