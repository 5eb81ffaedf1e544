"""Stored dossiers, each wrong in the one way that its name says, made by ``make_dossiers.py``: no command takes one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stealproof.cli import main
from stealproof.inputs.model import save_model
from stealproof.training.trained import Trained

ASSETS = Path(__file__).parents[1] / "assets" / "court" / "dossiers"
GOOD = ("good", "good_closed")
NO_ARCHIVE, ALTERED, STATES = "is no archive that can be read", "it may be altered", "states other fields than those"
BAD = {
    "empty": NO_ARCHIVE,
    "text": NO_ARCHIVE,
    "cut_short": NO_ARCHIVE,
    "byte_before": "holds more than its entries",
    "byte_after": NO_ARCHIVE,
    "comment": NO_ARCHIVE,
    "size_in_the_directory_is_4_gib": "holds README.txt with 4,294,967,294 bytes; expected at most 1,048,576",
    "offset_beyond_the_end": NO_ARCHIVE,
    "path_traversal": "holds an entry '../accuser.pub'",
    "path_absolute": "holds an entry '/etc/passwd'",
    "path_of_windows": r"holds an entry '..\\accuser.pub'",
    "name_in_capitals": "holds an entry 'SALT'",
    "private_key_within": "holds an entry 'accuser.pem'",
    "another_order": "in another order than README.txt",
    "entry_twice": "names an entry twice",
    "three_hundred_entries": "longer than 16,384 bytes",
    "bomb": "holds claim.safetensors compressed",
    "compressed": "holds README.txt compressed",
    "encrypted": "holds README.txt compressed, encrypted",
    "link": "was packed by something else",
    "another_date": "was packed by something else",
    "no_readme": "has no README.txt",
    "no_statement": "has no statement.dsse.json",
    "no_accuser": "has no accuser.pub",
    "no_claim": "a committed file together with its salt",
    "no_salt": "a committed file together with its salt",
    "plan_and_claim": "a committed file together with its salt",
    "another_readme": "has another README.txt",
    "round_in_a_claim": "has another README.txt",
    "another_key": "signed it, expected",
    "another_salt": "what was opened has the commitment",
    "another_claim": "what was opened has the commitment",
    "another_statement": "what was opened has the commitment",
    "another_plan": "another plan than the one that its statement names",
    "salt_too_long": "holds salt with 33 bytes; expected at most 32",
    "timestamp_empty": "holds an empty file",
    "timestamp_of_garbage": "not the answer of a timestamping authority",
    "timestamp_of_something_else": "about other content",
    "timestamp_back_dated": "when the certificate that signed it was not valid",
    "timestamp_after_the_certificate": "when the certificate that signed it was not valid",
    "timestamp_by_a_web_server": "unsuitable certificate purpose",
    "states_a_plan": "is signed as https://stealproof.example/plan/v1",
    "states_praise": "is signed as https://stealproof.example/praise/v1",
    "states_another_format": STATES,
    "states_an_unknown_field": STATES,
    "states_no_commitment": STATES,
    "states_a_short_commitment": "64 small hexadecimal digits, got '00'",
    "states_another_key": "names another key than the one that signed it",
    "states_another_scheme": "of another scheme or other parameters than its statement names",
    "states_other_parameters": "of another scheme or other parameters than its statement names",
    "states_parameters_as_a_list": "values of a wrong kind",
    "states_a_plan_that_is_missing": "another plan than the one that its statement names",
    "states_two_models": "is about 2 models; expected 1",
    "states_control_characters": "names with control characters",
    "claim_is_a_pickle": "is no claim that can be read",
    "claim_is_cut_short": "does not have the SHA-256 that it names",
    "claim_is_altered": "does not have the SHA-256 that it names",
    "claim_has_an_endless_header": "its header reaches beyond its end",
    "claim_is_nested_deeply": "is no claim that can be read",
    "plan_is_no_dossier": "the plan is no archive",
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def dossier(name: str) -> Path:
    return ASSETS / f"{name}.dossier"


def refused(result: Result, words: str) -> None:
    assert result.exit_code == 3, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


@pytest.fixture(scope="module")
def suspect(tmp_path_factory: pytest.TempPathFactory, digits_victim: Trained) -> Path:
    path = tmp_path_factory.mktemp("suspect") / "suspect.safetensors"
    save_model(digits_victim, path)
    return path


@pytest.mark.parametrize("name", BAD)
def test_a_bad_dossier_does_not_verify(name: str) -> None:
    refused(run("claim", "verify", dossier(name), "--tsa-root", ASSETS / "root.pem"), BAD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_dossier_is_not_judged(name: str, suspect: Path, tmp_path: Path) -> None:
    out = tmp_path / "made.verdict"
    assert run("claim", "key", tmp_path / "judge.pem").exit_code == 0
    belief = ["--tsa-root", ASSETS / "root.pem", "--suspect-since", "2100-01-01"]
    refused(run("judge", dossier(name), suspect, *belief, "--key", tmp_path / "judge.pem", "--out", out), BAD[name])
    assert not out.exists()


@pytest.mark.parametrize("name", GOOD)
def test_the_good_ones_beside_them_verify(name: str) -> None:
    result = run("claim", "verify", dossier(name), "--tsa-root", ASSETS / "root.pem")
    assert result.exit_code == 0, result.output


def test_the_good_one_is_judged(suspect: Path) -> None:
    result = run("judge", dossier("good"), suspect, "--tsa-root", ASSETS / "root.pem", "--suspect-since", "2100-01-01")
    assert result.exit_code == 1, result.output
    assert "3  commitment  yes" in result.stdout
    assert "4  timestamp   yes" in result.stdout


def test_no_stored_file_is_forgotten() -> None:
    assert {path.stem for path in ASSETS.glob("*.dossier")} == {*GOOD, *BAD}
