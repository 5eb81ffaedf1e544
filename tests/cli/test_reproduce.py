from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stealproof.cli import main
from stealproof.studies import library
from stealproof.studies.study import Study


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["reproduce", *arguments])


def test_lists_every_shipped_study_with_what_is_on_record() -> None:
    listed = json.loads(run("--json").stdout)
    assert [study["name"] for study in listed] == list(library.names())
    assert all(study["title"] and study["paper"]["url"].startswith("http") for study in listed)
    text = run().stdout
    assert all(name in text for name in library.names())


@pytest.mark.parametrize("name", library.names())
def test_every_shipped_study_can_run_and_expects_something(name: str) -> None:
    study = library.shipped(name)
    assert isinstance(study, Study)
    assert len(study.seeds) >= 5
    assert study.expectations
    assert all(expectation.reference for expectation in study.expectations)
    assert study.source is not None


@pytest.mark.parametrize("name", library.names())
def test_recorded_cards_belong_to_the_study_as_it_is(name: str) -> None:
    path = library.recorded(name)
    if not path.is_file():
        pytest.skip("not recorded yet")
    study = library.shipped(name)
    cards = json.loads(run(name, "--recorded", "--json").stdout)
    assert len(cards) == len(study.combinations)
    for card in cards:
        assert card["arguments"] in json.loads(json.dumps(study.combinations))
        assert tuple(card["seeds"]) == study.seeds
        for finding in card["expectations"]:
            assert finding["interval"][0] <= finding["measured"] <= finding["interval"][1]
            assert finding["holds"] in (True, False, None)
    assert path.stat().st_size < 300_000


def test_unknown_names_and_missing_records_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unknown = run("tramer2016_path_findin")
    assert unknown.exit_code == 2
    assert "no study is named 'tramer2016_path_findin'" in unknown.stderr
    monkeypatch.setattr(library, "results_folder", lambda: tmp_path)
    missing = run(library.names()[0], "--recorded")
    assert missing.exit_code == 2
    assert "could not read the result cards" in missing.stderr
