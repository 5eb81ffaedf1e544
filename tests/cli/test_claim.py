from __future__ import annotations

import json
import stat
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from stealproof.claims import Claim
from stealproof.cli import main
from stealproof.evidence.dossier import open_dossier
from stealproof.evidence.drand import QUICKNET, Round
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
    assert "9 triggers are too few for a judge" in planned.stderr
    assert "with 10 classes it takes 13" in planned.stderr
    report = json.loads(run("show", "p.dossier", "--json").stdout)
    assert report["kind"] == "plan"
    assert report["commitment"] is None
    assert report["sha256"] is None
    result = run("close", "p.dossier", "--out", "public.dossier")
    assert result.exit_code == 2
    assert "tells the triggers" in result.output


def test_a_model_is_not_marked_with_other_data_than_were_planned(desk: Path, tsa: Any) -> None:
    options = ["--data", "digits", "-p", "triggers=13", "-p", "kind=natural", "--key", "me.pem", "--out", "p.dossier"]
    assert run("plan", "derived_triggers", *options).exit_code == 0
    assert run("timestamp", "p.dossier", "--tsa", tsa.url).exit_code == 0
    marking = ["protect", "derived_triggers", "mlp", "--data", "digits", "--plan", "p.dossier", "--epochs", "0.1"]
    marking += ["--out", "mine.safetensors", "--claim", "mine.claim", "--force"]
    refused = CliRunner().invoke(main, [*marking, "-d", "split_seed=1"])
    assert refused.exit_code == 2
    assert "p.dossier was made for other data than digits as given here" in refused.stderr
    assert not (desk / "mine.safetensors").exists()
    made = CliRunner().invoke(main, marking)
    assert made.exit_code == 0, made.output


@pytest.fixture
def drand(known_round: Round) -> Iterator[str]:
    """The address of a server that has one round of drand."""
    path = f"/{QUICKNET.hash}/public/{known_round.number}"
    body = json.dumps({"round": known_round.number, "signature": known_round.signature.hex(), "randomness": "x"})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == path else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def plan(desk: Path, tsa: Any, known_round: Round) -> Path:
    """A plan with a timestamp that leads to the known round of drand."""
    (desk / "root.pem").write_bytes(tsa.root.pem)
    options = ["--data", "digits", "-p", "triggers=30", "--key", "me.pem", "--beacon", "drand", "--out", "p.dossier"]
    planned = run("plan", "derived_triggers", *options)
    assert planned.exit_code == 0, planned.output
    token = tsa.stamp_before(open_dossier(desk / "p.dossier").envelope, known_round)
    (desk / "p.tsr").write_bytes(token)
    stamped = run("timestamp", "p.dossier", "--reply", "p.tsr", "--tsa-root", "root.pem")
    assert stamped.exit_code == 0, stamped.output
    assert "round 657413 of drand comes out at 2023-09-15 11:00:03 UTC; go on then: stealproof claim" in stamped.stderr
    return desk / "p.dossier"


def test_a_plan_takes_its_beacon_from_drand_and_convicts(plan: Path, drand: str) -> None:
    marking = ["derived_triggers", "mlp", "-a", "width=64", "--data", "digits", "--epochs", "10", "--plan", "p.dossier"]
    marking = ["protect", *marking, "--out", "mine.safetensors", "--claim", "mine.claim", "--force"]
    early = CliRunner().invoke(main, marking)
    assert early.exit_code == 3
    assert "takes its beacon from round 657413 of drand, which it does not hold" in early.stderr
    assert "stealproof claim beacon" in early.stderr
    assert "drand, but no round yet" in run("show", "p.dossier").stdout

    result = run("beacon", "p.dossier", "--server", f"{drand}/")
    assert result.exit_code == 0, result.output
    assert "with round 657413 of drand, which came out at 2023-09-15 11:00:03 UTC" in result.stderr
    assert stat.S_IMODE(plan.stat().st_mode) == 0o600
    assert json.loads(run("show", "p.dossier", "--json").stdout)["beacon"] == "round 657413 of drand"
    made = CliRunner().invoke(main, marking)
    assert made.exit_code == 0, made.output
    key = ["--key", "me.pem"]
    new = run("new", "mine.claim", "--model", "mine.safetensors", *key, "--plan", "p.dossier", "--out", "m.dossier")
    assert new.exit_code == 0, new.output
    verified = run("verify", "m.dossier", "--tsa-root", "root.pem")
    assert "beacon        round 657413 of drand, which came out" in verified.stdout
    judging = ["judge", "m.dossier", "mine.safetensors", "--tsa-root", "root.pem", "--suspect-since", "2024-01-01"]
    judged = CliRunner().invoke(main, [*judging, *key, "--out", "m.verdict", "--json"])
    assert judged.exit_code == 0, judged.output
    assert "round 657413 of drand" in json.loads(judged.stdout)["findings"][4]["words"]
    assert CliRunner().invoke(main, ["judge", "--replay", "m.verdict"]).exit_code == 0


def test_a_round_can_be_carried_by_hand_and_no_other_is_kept(plan: Path, known_round: Round, tsa: Any) -> None:
    before = plan.read_bytes()
    signature = known_round.signature.hex()
    for number, text in ((657414, signature), (657413, signature[:-1] + "a"), (657413, "")):
        (plan.parent / "wrong.json").write_text(json.dumps({"round": number, "signature": text}))
        result = run("beacon", "p.dossier", "--reply", "wrong.json")
        assert result.exit_code == 3, result.output
        assert plan.read_bytes() == before
    (plan.parent / "round.json").write_text(json.dumps({"round": 657413, "signature": signature}, indent=1))
    assert run("beacon", "p.dossier", "--reply", "round.json").exit_code == 0
    assert "round 657413" in run("verify", "p.dossier", "--tsa-root", "root.pem").stdout
    # Another timestamp leads to another round.
    assert run("timestamp", "p.dossier", "--tsa", tsa.url, "--force").exit_code == 0
    result = run("beacon", "p.dossier")
    assert result.exit_code == 2
    assert "of drand comes out at" in result.stderr
    assert "run the command again then" in result.stderr


def test_without_the_extra_a_round_is_not_kept(plan: Path, drand: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py_ecc.bls.hash_to_curve", None)
    result = run("beacon", "p.dossier", "--server", drand)
    assert result.exit_code == 2
    assert result.stderr == "error: py_ecc is not installed; install it with: pip install 'stealproof[drand]'\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--server", "http://127.0.0.1:9"], 3, "public/657413 gave no round of drand"),
        (["--server", "nowhere"], 2, "starts with http"),
        (["--timeout", "0"], 2, "above 0 seconds"),
        (["--reply", "none.json"], 2, "no file none.json"),
        (["--reply", "root.pem"], 3, "root.pem is no JSON"),
    ],
)
def test_a_round_that_does_not_come_is_one_sentence(plan: Path, arguments: list[str], code: int, message: str) -> None:
    result = run("beacon", "p.dossier", *arguments)
    assert result.exit_code == code, result.output
    assert message in result.stderr


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
        (["verify", "mine.claim"], 2, "mine.claim is a claim, which `stealproof verify` tests"),
        (["verify", "mine.dossier", "--tsa-root", "none.pem"], 2, "can't be read"),
        (["beacon", "mine.dossier"], 3, "dossier of a claim"),
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
