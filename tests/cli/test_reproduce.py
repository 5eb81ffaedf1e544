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
    assert all(study["title"] for study in listed)
    assert all(study["paper"]["url"].startswith("http") for study in listed if study["paper"])
    text = run().stdout
    assert all(name in text for name in library.names())


@pytest.mark.parametrize("name", library.names())
def test_every_shipped_study_can_run_and_expects_something(name: str) -> None:
    study = library.shipped(name)
    assert isinstance(study, Study)
    assert len(study.seeds) >= 5
    assert study.expectations
    assert all(expectation.reference for expectation in study.expectations)
    # The table of ownership schemes is nobody's paper.
    assert study.source is not None or study.table is not None


@pytest.mark.parametrize("name", library.names())
def test_recorded_cards_belong_to_the_study_as_it_is(name: str) -> None:
    path = library.recorded(name)
    if not path.is_file():
        pytest.skip("not recorded yet")
    study = library.shipped(name)
    printed = json.loads(run(name, "--recorded", "--json").stdout)
    cards = printed if study.criterion is None else printed["cards"]
    assert len(cards) == len(study.combinations)
    for card in cards:
        assert card["arguments"] in json.loads(json.dumps(study.combinations))
        assert tuple(card["seeds"]) == study.seeds
        for finding in card["expectations"]:
            assert finding["interval"][0] <= finding["measured"] <= finding["interval"][1]
            assert finding["holds"] in (True, False, None)
    # A criterion is judged seed by seed, so that its cards keep every seed's values of many measures.
    assert path.stat().st_size < max(300_000, (2_500 if study.criterion is None else 6_000) * len(cards))


def test_unknown_names_and_missing_records_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unknown = run("tramer2016_path_findin")
    assert unknown.exit_code == 2
    assert "no study is named 'tramer2016_path_findin'" in unknown.stderr
    monkeypatch.setattr(library, "results_folder", lambda: tmp_path)
    missing = run(library.names()[0], "--recorded")
    assert missing.exit_code == 2
    assert "could not read the result cards" in missing.stderr


OWNERSHIP = """
title = "Two schemes"
experiment = "dispute"
[paper]
authors = "Us"
title = "Ours"
venue = "here"
year = 2026
url = "https://example.org"
[table]
rows = "scheme"
columns = "suspect"
measure = "detected"
[settings]
scheme = "derived_triggers"
[axes]
suspect = ["victim", "independent_other_half"]
"""


def recorded_card(suspect: str, detected: int) -> dict[str, object]:
    from stealproof.measures.intervals import proportion

    return {
        "name": f"suspect={suspect}",
        "study": "owners",
        "experiment": "dispute",
        "arguments": {"scheme": "derived_triggers", "suspect": suspect},
        "seeds": [0, 1, 2, 3, 4],
        "measures": {"detected": proportion(detected, 5).as_dict()},
        "expectations": [],
        "cpu_seconds": 1.0,
        "versions": {"stealproof": "1"},
        "revision": None,
    }


def test_recorded_ownership_is_printed_and_drawn_as_one_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library, "studies_folder", lambda: tmp_path)
    monkeypatch.setattr(library, "results_folder", lambda: tmp_path)
    (tmp_path / "owners.toml").write_text(OWNERSHIP)
    cards = [recorded_card("victim", 5), recorded_card("independent_other_half", 0)]
    (tmp_path / "owners.json").write_text(json.dumps(cards))
    html = tmp_path / "owners.html"
    ran = run("owners", "--recorded", "--html", str(html))
    assert ran.exit_code == 0, ran.output
    assert f"wrote {html}" in ran.stderr
    assert "derived triggers  5/5" in ran.stdout
    page = html.read_text(encoding="utf-8")
    assert "Two schemes" in page

    nowhere = run("owners", "--recorded", "--html", str(tmp_path / "no" / "owners.html"))
    assert nowhere.exit_code == 2
    assert "is not a folder" in nowhere.stderr


CONFLICTS = """
title = "Do these two get along"
experiment = "deployment"
[criterion]
accuracy = 0.05
[settings]
data = "digits"
[axes]
protections = [[], ["adi2018"], ["early_stopping"], ["early_stopping", "adi2018"]]
"""


def test_recorded_conflicts_are_printed_after_the_cards_and_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(library, "studies_folder", lambda: tmp_path)
    monkeypatch.setattr(library, "results_folder", lambda: tmp_path)
    (tmp_path / "mine.toml").write_text(CONFLICTS)
    study = library.shipped("mine")
    accuracies = {(): 0.9, ("adi2018",): 0.89, ("early_stopping",): 0.9, ("early_stopping", "adi2018"): 0.6}
    cards = []
    for arguments in study.combinations:
        card = recorded_card("", 5) | {"arguments": arguments, "study": "mine", "name": str(arguments["protections"])}
        accuracy = accuracies[tuple(arguments["protections"])]
        cards.append(card | {"by_seed": {"accuracy": [accuracy + 0.001 * seed for seed in range(5)]}})
    (tmp_path / "mine.json").write_text(json.dumps(cards))
    html = tmp_path / "mine.html"
    ran = run("mine", "--recorded", "--html", str(html))
    assert ran.exit_code == 0, ran.output
    assert "early_stopping with adi2018: conflict: the accuracy falls from .89 to .60" in " ".join(ran.stdout.split())
    assert "Do these two get along" in html.read_text(encoding="utf-8")
    printed = json.loads(run("mine", "--recorded", "--json").stdout)
    assert [card["name"] for card in printed["cards"]] == [card["name"] for card in cards]
    (panel,) = printed["conflicts"]["panels"]
    assert [pair["verdict"] for pair in panel["interactions"]] == ["conflict"]
