"""Every command of ``docs/evidence-format.md``, run in the order of the page on a fresh dossier and verdict."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stealproof.claims import Claim
from stealproof.court.verdict_file import VERDICT
from stealproof.evidence.archive import pack
from stealproof.evidence.beacon import drand_beacon, timestamp_beacon
from stealproof.evidence.canonical import canonical, digest
from stealproof.evidence.commitment import commit, new_salt
from stealproof.evidence.dossier import CLAIM, PLAN, Dossier, new_dossier
from stealproof.evidence.drand import Round
from stealproof.evidence.envelope import sign
from stealproof.evidence.keys import PrivateKey, new_key, open_private
from stealproof.evidence.model_manifest import model_digest
from stealproof.evidence.statement import PAYLOAD_TYPE, Statement
from stealproof.inputs.claim import save_claim

PAGE = Path(__file__).parents[2] / "docs" / "evidence-format.md"
NEEDED = ("bash", "jq", "openssl", "sha256sum", "unzip", "xxd")
MISSING = [name for name in NEEDED if shutil.which(name) is None]


def commands() -> str:
    """The lines of the page's consoles that follow a prompt."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return "\n".join(line[2:] for block in blocks for line in block.splitlines() if line.startswith(("$ ", "> ")))


def written_dossier(folder: Path, key: PrivateKey, tsa: Any) -> Dossier:
    claim = Claim(scheme="adi2018", secrets={"inputs": np.zeros((2, 1, 2, 2), np.float32), "labels": np.arange(2)})
    save_claim(claim, folder / "mine.claim")
    (folder / "mine.safetensors").write_bytes(b"weights")
    dossier = new_dossier(
        (folder / "mine.claim").read_bytes(),
        new_salt(),
        kind=CLAIM,
        subject="mine.safetensors",
        model=model_digest(folder / "mine.safetensors"),
        scheme="adi2018",
        parameters={"triggers": 2},
        key=key,
        created=datetime.datetime.now(datetime.UTC),
    )
    dossier = dossier.stamped(tsa.stamp(dossier.envelope))
    (folder / "mine.dossier").write_bytes(dossier.to_bytes())
    (folder / "root.pem").write_bytes(tsa.root.pem)
    return dossier


def write_plan(folder: Path, key: PrivateKey, tsa: Any, known_round: Round) -> None:
    """The plan that the page looks into: its beacon is a round of drand."""
    plan = new_dossier(
        canonical({"beacon": "drand"}), new_salt(), kind=PLAN, subject="none yet", model="", scheme="derived_triggers",
        parameters={}, key=key, created=datetime.datetime.now(datetime.UTC),
    )  # fmt: skip
    plan = plan.stamped(tsa.stamp_before(plan.envelope, known_round)).with_round(known_round)
    (folder / "plan.dossier").write_bytes(plan.to_bytes())


def write_verdict(folder: Path, key: PrivateKey, dossier: Dossier) -> None:
    said = {
        "decision": "inconclusive",
        "evidence": {"dossier": digest(dossier.to_bytes())},
        "answers": digest(b"answers"),
        "judge": key.key_id,
    }
    statement = Statement(subject={"suspect": "0" * 64}, predicate_type=VERDICT, predicate=said)
    files = {
        "verdict.dsse.json": sign(statement.to_bytes(), key, payload_type=PAYLOAD_TYPE),
        "judge.pub": key.public.to_pem(),
        "claim.dossier": dossier.to_bytes(),
        "answers.safetensors": b"answers",
    }
    (folder / "mine.verdict").write_bytes(pack(files))


@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}, which the page uses")
@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_the_commands_of_the_page_find_what_we_find(
    tmp_path: Path, tsa: Any, algorithm: Any, known_round: Round
) -> None:
    new_key(tmp_path / "me.key", algorithm=algorithm)
    key = open_private(tmp_path / "me.key")
    dossier = written_dossier(tmp_path, key, tsa)
    write_verdict(tmp_path, key, dossier)
    write_plan(tmp_path, key, tsa, known_round)
    # The page was written at another time than this dossier.
    script = re.sub(r"\$\(date -d '[^']*' \+%s\)", "$(date +%s)", commands())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "TZ": "UTC"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = done.stdout
    assert "Signature Verified Successfully" in seen
    assert seen.count("Verification: OK") == 2
    assert "Time stamp: " in seen
    # As the statement shows it, and each command after it.
    assert seen.count(key.key_id) == 6
    assert seen.count(model_digest(tmp_path / "mine.safetensors")) == 3
    assert seen.count(commit(dossier.content, dossier.salt)) == 3
    assert seen.count(digest(dossier.to_bytes())) == 2
    assert seen.count(digest(b"answers")) == 2
    assert seen.count("d01bb24757c864e18687fd1394f30b43c17694e87b426234cabf23ed472442b9") == 2
    assert "\nsame\n" in seen
    assert known_round.to_bytes().decode() in seen
    assert f"\n{drand_beacon(known_round).value.hex()}  -\n{known_round.number}\n" in seen
    # The authority of the tests signs with ECDSA.
    assert hashlib.sha256(framed_beacon(tmp_path / "open")).digest() == timestamp_beacon(dossier.token).value


def framed_beacon(folder: Path) -> bytes:
    """What the page hashes in its section on the beacon, of the files that its commands left."""
    parts = [b"stealproof beacon from a timestamp 1", (folder / "info").read_bytes(), (folder / "part").read_bytes()]
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
