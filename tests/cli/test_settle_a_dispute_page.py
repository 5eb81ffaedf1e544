"""The commands of docs/settle-a-dispute.md, typed in an empty folder as they stand there, print what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "settle-a-dispute.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"[0-9a-f]{64}|\d[\d.,:-]*(e-\d+)?")
"""Digests, dates, and figures that depend on salts and timestamps."""


def commands() -> list[tuple[str, str]]:
    """Each command of the page's consoles, and what the page says that it prints; the first one installs."""
    found = list[tuple[str, str]]()
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = text.splitlines()
            size = 1
            while not complete("\n".join(lines[:size])):
                size += 1
            found.append(("\n".join(lines[:size]), "\n".join(lines[size:])))
    assert found[0][0].startswith("pip install")
    return found[1:]


def complete(command: str) -> bool:
    """Whether a shell would run it, and not wait for another line."""
    here = re.search(r"<<'(\w+)'", command)
    if here and here[1] not in command.split("\n")[1:]:
        return False
    return not command.endswith("\\") and command.count("{") == command.count("}")


def pattern(said: str) -> str:
    """A regular expression for what the page says: any number for a number, anything where it leaves something out."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in NUMBER.sub("N", said).split("...")]
    return r".*?".join(parts)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_every_command_of_the_page_prints_what_it_says(tmp_path: Path) -> None:
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": search, "STEALPROOF_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    (tmp_path / "desk").mkdir()
    typed = commands()
    assert len(typed) > 25
    script = "\n".join(f"{command}\necho =====$?" for command, _ in typed)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path / "desk",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    printed = re.findall(r"(.*?)^=====(\d+)\n", done.stdout, re.DOTALL | re.MULTILINE)
    assert len(printed) == len(typed), done.stdout
    for (command, said), (output, code) in zip(typed, printed, strict=True):
        assert int(code) == ("NOT OWNED" in said), f"{command}\n{output}"
        assert re.search(pattern(said), NUMBER.sub("N", output), re.DOTALL), f"{command}\n{output}\n\nexpected\n{said}"
