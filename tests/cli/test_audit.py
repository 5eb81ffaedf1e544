from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stealproof.cli import main


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEALPROOF_CACHE", str(tmp_path / "cache"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["audit", *arguments])


def test_a_tiny_audit_prints_a_summary_and_leaves_a_report(tmp_path: Path) -> None:
    out = tmp_path / "report"
    quick = (
        "--attack",
        "knockoff-nets",
        "--budget",
        "40",
        "--seeds",
        "1",
        "--workers",
        "1",
        "--no-proofs",
        "--out",
        str(out),
    )
    result = run(*quick, "--control", "11.3.1=a detector of ours")
    assert result.exit_code == 0, result.output
    assert "knockoff nets" in result.stdout
    assert "a detector of ours" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert f"wrote {out / 'audit.html'}" in result.stderr
    assert sorted(path.name for path in out.iterdir()) == ["audit.html", "audit.json", "fidelity.svg"]

    # What was measured is stored, so this costs nothing; the same numbers come out as JSON.
    again = run(*quick, "--json", "--price-per-query", "0")
    document = json.loads(again.stdout)
    assert document["curves"] != []
    assert document["curves"][0]["points"][0]["cost"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--price-per-query", "-1"), "price of a query must be at least 0, got -1"),
        (("--budget", "0"), "budget must be at least 1 query, got 0"),
        (("--attack", "knockof_nets"), "did you mean 'knockoff_nets'?"),
        (("--access", "top-0"), "no access is called 'top-0'"),
        (("victim.onnx",), "name them with --data"),
        (("victim.safetensors", "--data", "digits"), "there is no model file victim.safetensors"),
        (("lenett", "--data", "digits"), "did you mean 'lenet'?"),
        (("--data", "digitz"), "did you mean 'digits'?"),
        (("--control", "11.3.1"), "expected --control name=text, got '11.3.1'"),
        (("--control", "9.9.9=x"), "no control is named '9.9.9'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments, "--out", str(tmp_path / "report"))
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
    assert not (tmp_path / "report").exists()


def test_a_folder_that_can_not_be_written_is_noticed_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("--out", str(tmp_path / "file"))
    assert result.exit_code == 2
    assert "is not a folder" in result.stderr


def test_a_claim_is_put_before_suspects_and_what_it_shows_comes_first(tmp_path: Path, toy_schemes: None) -> None:
    claim, marked = str(tmp_path / "mine.claim"), str(tmp_path / "marked.safetensors")
    made = ["protect", "toy_mark", "mlp", "--data", "digits", "--out", marked, "--claim", claim, "--epochs", "10"]
    assert CliRunner().invoke(main, made).exit_code == 0
    out = tmp_path / "report"
    quick = ("--attack", "knockoff-nets", "--budget", "40", "--seeds", "1", "--workers", "1", "--no-proofs")
    result = run(*quick, "--claim", claim, "--suspect", marked, "--json", "--out", str(out))
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    (dispute,) = document["ownership"]["disputes"]
    assert (dispute["decision"], dispute["level"], dispute["suspect"]) == ("owned", 0.01, marked)
    assert document["ownership"]["findings"][0].startswith(f"{marked} is yours by {claim} (toy mark, p = 1e-25")
    assert document["questions"][2]["answered"]
    page = (out / "audit.html").read_text(encoding="utf-8")
    assert "Is it yours?" in page
    assert "the suspect was made without knowledge of the labels" in page


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--claim", "a.claim"), 2, "name both --claim and --suspect, --suspect is missing"),
        (("--suspect", "a.safetensors"), 2, "name both --claim and --suspect, --claim is missing"),
        (("--claim", "a.claim", "--suspect", "a.safetensors"), 2, "there is no claim file a.claim"),
    ],
)
def test_a_claim_or_a_suspect_alone_is_one_sentence(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path
) -> None:
    result = run(*arguments, "--out", str(tmp_path / "report"))
    assert result.exit_code == code
    assert words in result.stderr
    assert not (tmp_path / "report").exists()
