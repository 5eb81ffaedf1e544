from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from stealproof.claims import Claim
from stealproof.cli import main
from stealproof.inputs.claim import save_claim


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["claim", *arguments])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An accuser's folder, which is where the commands run."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    secrets = {"inputs": rng.random((9, 1, 8, 8)).astype(np.float32), "labels": rng.integers(10, size=9), "classes": 10}
    save_claim(Claim(scheme="adi2018", parameters={"triggers": 9}, secrets=secrets), tmp_path / "mine.claim")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert run("key", "me.pem").exit_code == 0
    return tmp_path


@pytest.fixture
def dossier(desk: Path) -> Path:
    result = run("new", "mine.claim", "--model", "model.safetensors", "--key", "me.pem")
    assert result.exit_code == 0, result.output
    return desk / "mine.dossier"


def test_a_key_is_private_and_never_overwritten(desk: Path) -> None:
    assert stat.S_IMODE((desk / "me.pem").stat().st_mode) == 0o600
    before = (desk / "me.pem").read_bytes()
    result = run("key", "me.pem")
    assert result.exit_code == 2
    assert "never overwritten" in result.output
    assert (desk / "me.pem").read_bytes() == before


def test_a_dossier_is_private_says_what_it_is_and_holds_no_key(dossier: Path) -> None:
    assert stat.S_IMODE(dossier.stat().st_mode) == 0o600
    assert b"PRIVATE" not in dossier.read_bytes()
    report = json.loads(run("show", "mine.dossier", "--json").stdout)
    assert report["kind"] == "claim"
    assert report["scheme"] == "adi2018"
    assert report["timestamped"] is False
    assert report["open"] is True
    assert "scheme        adi2018" in run("show", "mine.dossier").stdout


def test_a_timestamp_is_added_once(dossier: Path, tsa: Any) -> None:
    (dossier.parent / "root.pem").write_bytes(tsa.root.pem)
    result = run("timestamp", "mine.dossier", "--tsa", tsa.url, "--tsa-root", "root.pem")
    assert result.exit_code == 0, result.output
    assert "saw it at" in result.stderr
    result = run("verify", "mine.dossier", "--tsa-root", "root.pem", "--accuser", "me.pem.pub")
    assert result.exit_code == 0, result.output
    assert "timestamps of the tests" in result.stdout
    stamped = dossier.read_bytes()
    result = run("timestamp", "mine.dossier", "--tsa", tsa.url)
    assert result.exit_code == 2
    assert "older timestamp is worth more" in result.output
    assert dossier.read_bytes() == stamped
    assert run("timestamp", "mine.dossier", "--tsa", tsa.url, "--force").exit_code == 0
    assert dossier.read_bytes() != stamped


def test_a_timestamp_can_be_carried_by_hand(dossier: Path, tsa: Any) -> None:
    (dossier.parent / "root.pem").write_bytes(tsa.root.pem)
    assert run("timestamp", "mine.dossier", "--query", "mine.tsq").exit_code == 0
    (dossier.parent / "mine.tsr").write_bytes(tsa.signer.reply((dossier.parent / "mine.tsq").read_bytes()))
    result = run("timestamp", "mine.dossier", "--reply", "mine.tsr")
    assert result.exit_code == 2
    assert "--tsa-root" in result.output
    assert run("timestamp", "mine.dossier", "--reply", "mine.tsr", "--tsa-root", "root.pem").exit_code == 0
    assert run("verify", "mine.dossier", "--tsa-root", "root.pem").exit_code == 0
    (dossier.parent / "other.tsr").write_bytes(tsa.stamp(b"something else"))
    result = run("timestamp", "mine.dossier", "--reply", "other.tsr", "--tsa-root", "root.pem", "--force")
    assert result.exit_code == 3
    assert "other content" in result.output


def test_a_timestamp_by_somebody_else_is_not_kept(dossier: Path, tsa: Any) -> None:
    stranger = tsa.authority("stranger")
    (dossier.parent / "stranger.pem").write_bytes(stranger.pem)
    before = dossier.read_bytes()
    result = run("timestamp", "mine.dossier", "--tsa", tsa.url, "--tsa-root", "stranger.pem")
    assert result.exit_code == 3
    assert dossier.read_bytes() == before


def test_a_closed_dossier_can_be_published(dossier: Path) -> None:
    assert run("close", "mine.dossier", "--out", "public.dossier").exit_code == 0
    report = json.loads(run("verify", "public.dossier", "--json").stdout)
    assert "closed" in report["checks"]["commitment"]
    assert json.loads(run("show", "public.dossier", "--json").stdout)["open"] is False


def test_a_plan_shows_nothing_that_tells_its_triggers(desk: Path) -> None:
    planned = run(
        "plan", "derived_triggers", "--data", "digits", "-p", "triggers=9", "--key", "me.pem", "--out", "p.dossier"
    )
    assert planned.exit_code == 0, planned.output
    report = json.loads(run("show", "p.dossier", "--json").stdout)
    assert report["kind"] == "plan"
    assert report["commitment"] is None
    assert report["sha256"] is None
    result = run("close", "p.dossier", "--out", "public.dossier")
    assert result.exit_code == 2
    assert "tells the triggers" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["new", "mine.claim", "--model", "model.safetensors"], 2, "stealproof claim key"),
        (["new", "mine.claim", "--model", "none.safetensors", "--key", "me.pem"], 2, "does not exist"),
        (["new", "model.safetensors", "--model", "model.safetensors", "--key", "me.pem"], 3, "no claim"),
        (
            ["new", "mine.claim", "--model", "model.safetensors", "--key", "me.pem.pub", "--out", "b.dossier"],
            3,
            "public key",
        ),
        (
            ["new", "mine.claim", "--model", "model.safetensors", "--key", "me.pem", "--out", "b.zip"],
            2,
            "saved as .dossier",
        ),
        (["new", "mine.claim", "--model", "model.safetensors", "--key", "me.pem"], 2, "there already"),
        (["timestamp", "mine.dossier"], 2, "--tsa"),
        (["verify", "none.dossier"], 2, "no file"),
        (["verify", "mine.claim"], 3, "no archive"),
        (["verify", "mine.dossier", "--tsa-root", "none.pem"], 2, "can't be read"),
        (["plan", "adi2018", "--data", "digits", "--key", "me.pem", "--out", "p.dossier"], 2, "derived"),
    ],
)
def test_a_wrong_command_is_answered_with_one_sentence(
    dossier: Path, arguments: list[str], code: int, message: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output
