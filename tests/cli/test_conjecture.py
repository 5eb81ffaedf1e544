from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stealproof import catalog
from stealproof.cli import main
from stealproof.studies import library


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["conjecture", *words])


@pytest.fixture(autouse=True)
def nothing_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No recorded study, whatever the checkout holds."""
    path = tmp_path / "conflicts.json"
    monkeypatch.setattr(library, "recorded", lambda name: path)
    return path


def test_two_protections_get_stages_a_conjecture_and_how_to_measure_it() -> None:
    result = run("adi2018", "uchida2017")
    assert result.exit_code == 0
    assert "adi2018 acts in-training and changes the weights." in result.stdout
    assert "Conjecture: conflict: adi2018 and uchida2017 compete through one loss" in result.stdout
    assert "not recorded; `stealproof conflicts DATA --with adi2018,uchida2017` measures it" in result.stdout


def test_dashes_and_parameters_do_not_matter() -> None:
    assert run("adi2018(triggers=50)", "dataset-inference").stdout == run("adi2018", "dataset_inference").stdout


def test_json_holds_the_stages_and_the_rule() -> None:
    found = json.loads(run("adi2018", "dawn", "--json").stdout)
    assert (found["conjecture"], found["rule"]) == ("aligned", "none")
    assert (found["one"]["stage"], found["other"]["stage"]) == ("in-training", "post-training")
    assert found["measured"] == []


def test_a_measured_verdict_stands_beside_it(nothing_recorded: Path) -> None:
    recorded = library.results_folder() / "conflicts.json"
    nothing_recorded.write_bytes(recorded.read_bytes())
    told = run("dp_sgd", "adi2018").stdout
    assert "Measured:   on mnist, adi2018 with dp_sgd(epsilon=3): " in told
    measured = json.loads(run("dp_sgd", "adi2018", "--json").stdout)["measured"]
    assert {"mnist", "fashion_mnist", "cifar10"} <= {record["data"] for record in measured}
    assert {record["verdict"] for record in measured} <= {"conflict", "undecided", "fine"}
    assert json.loads(run("dawn", "adi2018", "--json").stdout)["measured"] == []


def test_a_damaged_record_is_named(nothing_recorded: Path) -> None:
    nothing_recorded.write_text("{", encoding="utf-8")
    result = run("dawn", "adi2018")
    assert result.exit_code == 2
    assert "conflicts.json: expected a JSON list of result cards" in result.stderr


@pytest.fixture
def risk() -> str:
    names = catalog.names("risk")
    return "evasion" if "evasion" in names else pytest.skip("no such risk")


@pytest.mark.parametrize("turned", [False, True])
def test_a_protection_and_a_risk_share_factors(risk: str, turned: bool) -> None:
    result = run(*((risk, "zest") if turned else ("zest", risk)))
    assert result.exit_code == 0
    assert "zest (fingerprinting) and evasion (evasion)" in result.stdout
    assert "O3   active  defense - risk -  the risk rises" in result.stdout
    assert "Conjecture: the risk rises: the active factors in common agree (O3)." in result.stdout
    assert "Published:  the risk rises." in result.stdout


def test_a_protection_without_known_factors_is_no_error(risk: str) -> None:
    result = run("top_k", risk)
    assert result.exit_code == 0
    assert "No factors are known of top_k" in result.stdout
    assert json.loads(run("top_k", risk, "--json").stdout)["unknown"] == ["top_k"]


def test_json_holds_the_factors(risk: str) -> None:
    found = json.loads(run("adi2018", risk, "--json").stdout)
    assert (found["one"], found["other"]) == ("adi2018", risk)
    assert [shared["factor"] for shared in found["factors"]] == ["D2"]
    assert (found["conclusion"], found["published"]) == ("rises", None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("adi2018", "adi2018"), "compared with itself"),
        (("adi2018", "adi-2018"), "no system is named 'adi_2018'; did you mean 'adi2018'?"),
        (("adi2018", "knockoff_nets"), "knockoff_nets is of the role extraction"),
        (("adi2018+dawn", "zest"), "expected one name, got 2"),
        (("adi2018", "mnist"), "mnist is of the role dataset"),
    ],
)
def test_bad_names_are_one_sentence(words: tuple[str, str], says: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_two_risks_are_refused() -> None:
    names = catalog.names("risk")
    if len(names) < 2:
        pytest.skip("fewer than two risks")
    result = run(*names[:2])
    assert result.exit_code == 2
    assert "are both risks; name at least one protection" in result.stderr
