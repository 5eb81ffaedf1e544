"""The commands of docs/settle-a-dispute.md, typed in an empty folder as they stand there, print what it says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stealproof.inputs.model import open_model

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


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which everything was typed; ``printed.txt`` holds what came of it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed; the page runs its timestamping authority")
    folder = tmp_path_factory.mktemp("desk")
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": search, "STEALPROOF_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    script = "\n".join(f"{command}\necho =====$?" for command, _ in commands())
    with (folder / "printed.txt").open("w") as printed:
        subprocess.run(
            ["bash", "-c", script], cwd=folder, env=environment, stdout=printed, stderr=subprocess.STDOUT, check=False
        )
    return folder


def test_every_command_of_the_page_prints_what_it_says(desk: Path) -> None:
    typed, whole = commands(), (desk / "printed.txt").read_text(encoding="utf-8")
    printed = re.findall(r"(.*?)^=====(\d+)\n", whole, re.DOTALL | re.MULTILINE)
    assert len(printed) == len(typed) > 25, whole
    for (command, said), (output, code) in zip(typed, printed, strict=True):
        assert int(code) == ("NOT OWNED" in said), f"{command}\n{output}"
        assert re.search(pattern(said), NUMBER.sub("N", output), re.DOTALL), f"{command}\n{output}\n\nexpected\n{said}"


ALONE = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

ABSENT = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Absent())
from stealproof.cli import main
main()
"""


def brought(requirements: list[str]) -> set[str]:
    """The distributions that pip installs for these."""
    found, left = set[str](), [Requirement(text) for text in requirements]
    while left:
        wanted = left.pop()
        name = canonicalize_name(wanted.name)
        if name in found:
            continue
        found.add(name)
        for inner in map(Requirement, metadata.requires(name) or ()):
            if inner.marker is None or any(inner.marker.evaluate({"extra": it}) for it in (wanted.extras or {""})):
                left.append(inner)
    return found


@pytest.fixture(scope="module")
def absent() -> str:
    """Every module installed here that a judge alone does not have."""
    section = PAGE[PAGE.index("## A judge alone") :]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    first, second = block[1].replace("\\\n", " ").strip().split("\n")
    assert first == "pip install --no-deps stealproof"
    have = brought(shlex.split(second)[2:]) | {"stealproof"}
    return ",".join(
        module
        for module, sources in metadata.packages_distributions().items()
        if not have.intersection(map(canonicalize_name, sources))
    )


def alone(desk: Path, absent: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert {"torch", "sklearn", "onnxruntime"} <= set(absent.split(","))
    command = [sys.executable, "-c", ALONE, absent, *arguments]
    return subprocess.run(command, cwd=desk, capture_output=True, text=True, check=False)


def test_a_judge_alone_checks_a_dossier_and_a_verdict(desk: Path, absent: str) -> None:
    checked = alone(desk, absent, "claim", "verify", "mine.dossier", "--tsa-root", "root.pem")
    assert checked.returncode == 0, checked.stderr
    assert "the claim follows from it" in checked.stdout
    page = ["--html", "replayed.html"]
    again = alone(desk, absent, "judge", "--replay", "stolen.verdict", "--judge", "judge.pem.pub", *page)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("OWNED")
    assert "</html>" in (desk / "replayed.html").read_text(encoding="utf-8")


def test_a_judge_alone_judges_a_server(desk: Path, absent: str, v2: Any) -> None:
    stolen = open_model(str(desk / "stolen.safetensors")).oracle()
    outputs = (("p", "FP32", (-1, 10)),)
    server = v2.start(lambda x: {"p": stolen.ask(x).scores}, shape=(-1, 1, 8, 8), outputs=outputs)
    belief = ["--tsa-root", "root.pem", "--suspect-since", "2100-01-01"]
    judged = alone(desk, absent, "judge", "mine.dossier", server.url, *belief)
    assert judged.returncode == 0, judged.stderr
    assert judged.stdout.startswith("OWNED")


def test_a_judge_alone_is_told_what_is_missing(desk: Path, absent: str) -> None:
    refused = alone(desk, absent, "judge", "mine.dossier", "stolen.safetensors", "--tsa-root", "root.pem")
    assert refused.returncode == 2
    assert "needs torch, which is not installed" in refused.stderr
    assert refused.stderr.count("\n") == 1
