"""The commands of docs/timestamps.md, run as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stealproof.evidence.timestamp import check_token, request_token

PAGE = (Path(__file__).parents[2] / "docs" / "timestamps.md").read_text(encoding="utf-8")
SERVE = """server = HTTPServer(("127.0.0.1", 0), Authority)
print(server.server_port, flush=True)
server.serve_forever()"""
BLOCKS = {kind: re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("sh", "python")}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_rehearsal_of_the_page_gives_a_token_that_both_tools_accept(tmp_path: Path) -> None:
    subprocess.run(["bash", "-e", "-c", BLOCKS["sh"][0]], cwd=tmp_path, check=True, capture_output=True)
    # Port 0 lets the machine choose a free one, which the server then says.
    server = BLOCKS["python"][0].replace('HTTPServer(("127.0.0.1", 3161), Authority).serve_forever()', SERVE)
    assert SERVE in server
    content = b"anything at all"
    (tmp_path / "file").write_bytes(content)
    command = [sys.executable, "-c", server]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        try:
            assert running.stdout is not None
            token = request_token(f"http://127.0.0.1:{int(running.stdout.readline())}/", content, timeout=30)
        finally:
            running.terminate()
    stamp = check_token(token, content, roots=[(tmp_path / "root.pem").read_bytes()])
    assert stamp.authority == "CN=rehearsal timestamps"
    (tmp_path / "token.tsr").write_bytes(token)
    check = BLOCKS["sh"][1].replace("FILE", "file").replace("TOKEN.tsr", "token.tsr")
    done = subprocess.run(["bash", "-e", "-c", check], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "Verification: OK" in done.stdout + done.stderr
