from __future__ import annotations

import json

from click.testing import CliRunner

from stealproof import catalog
from stealproof.cli import main


def test_the_listing_holds_every_system_of_the_role() -> None:
    result = CliRunner().invoke(main, ["list", "extraction"])
    assert result.exit_code == 0
    for name in catalog.names("extraction"):
        assert f"  {name} " in result.output


def test_json_is_an_array_of_name_role_summary_and_source() -> None:
    listed = json.loads(CliRunner().invoke(main, ["list", "--json"]).stdout)
    assert {tuple(entry) for entry in listed} == {("name", "role", "summary", "source")}
    knockoff = next(entry for entry in listed if entry["name"] == "knockoff_nets")
    assert knockoff["role"] == "extraction"
    assert knockoff["source"]["year"] == 2019


def test_an_unknown_role_is_refused() -> None:
    result = CliRunner().invoke(main, ["list", "extractoin"])
    assert result.exit_code == 2
    assert "no role is named 'extractoin'; did you mean 'extraction'?" in result.stderr
