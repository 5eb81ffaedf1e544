from __future__ import annotations

import json

from click.testing import CliRunner

from stealproof.cli import main
from stealproof.models.lenet import LeNet


def test_a_system_is_shown_with_source_departure_and_parameters() -> None:
    result = CliRunner().invoke(main, ["show", "lenet"])
    assert result.exit_code == 0
    assert LeNet.source.title in result.output
    assert LeNet.departure in result.output
    assert "width: int = 32" in result.output


def test_json_has_the_same_facts() -> None:
    shown = json.loads(CliRunner().invoke(main, ["show", "lenet", "--json"]).stdout)
    assert shown["name"] == "lenet"
    assert shown["roles"] == ["model"]
    assert [p["name"] for p in shown["parameters"]] == ["width", "hidden"]
    assert shown["departure"] == LeNet.departure


def test_an_unknown_name_is_refused() -> None:
    result = CliRunner().invoke(main, ["show", "lennet"])
    assert result.exit_code == 2
    assert "did you mean 'lenet'?" in result.stderr
