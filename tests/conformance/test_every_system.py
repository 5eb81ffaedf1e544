"""What every system in the catalog owes, whoever wrote it: these tests find it, nobody lists it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stealproof import catalog
from stealproof.catalog import Entry
from stealproof.errors import InputError, UnknownName
from stealproof.system import Source, System

ENTRIES = catalog.entries()
PUBLISHED = frozenset({"extraction", "removal", "false_claim", "training_defense", "guard", "ownership", "risk"})


def named(entry: Entry) -> str:
    return entry.name


@pytest.mark.parametrize("entry", ENTRIES, ids=named)
class TestEverySystem:
    def test_has_a_summary_of_one_line(self, entry: Entry) -> None:
        assert entry.summary.endswith(".")
        assert 20 <= len(entry.summary) <= 120

    def test_constructs_without_arguments_and_stores_what_it_is_given(self, entry: Entry) -> None:
        kind: Any = catalog.load(entry.name, entry.roles[0])
        system = kind.make()
        assert issubclass(kind, System)
        assert dataclasses.fields(kind) is not None
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(system, "name", "other")  # noqa: B010
        assert kind.make(system.parameters()) == system

    def test_describes_itself_in_json(self, entry: Entry) -> None:
        described = catalog.load(entry.name, entry.roles[0]).make().describe()
        assert described["name"] == entry.name
        assert json.loads(json.dumps(described))["name"] == entry.name

    def test_names_an_unknown_parameter(self, entry: Entry) -> None:
        with pytest.raises(UnknownName, match=r"no parameter of .* is named 'no_such_parameter'"):
            catalog.load(entry.name, entry.roles[0]).make({"no_such_parameter": 1})

    def test_cites_its_source_when_it_is_a_published_one(self, entry: Entry) -> None:
        if not PUBLISHED.intersection(entry.roles):
            return
        kind = catalog.load(entry.name, entry.roles[0])
        assert isinstance(kind.source, Source)
        assert kind.source.year > 1900
        assert entry.source["title"] == kind.source.title

    def test_explains_every_parameter_in_words(self, entry: Entry) -> None:
        """A parameter either has a docstring under it or a name that the field uses alone (see the set)."""
        from click.testing import CliRunner

        from stealproof.cli import main

        shown = json.loads(CliRunner().invoke(main, ["show", entry.name, "--json"]).output)
        obvious = {"width", "hidden", "depth", "batch", "seed", "seeds", "data", "budget", "rounds"}
        for parameter in shown["parameters"]:
            assert parameter["help"] or parameter["name"] in obvious, parameter["name"]


@pytest.mark.parametrize("entry", [e for e in ENTRIES if "experiment" not in e.roles], ids=named)
def test_a_parameter_of_a_wrong_type_is_named(entry: Entry) -> None:
    kind = catalog.load(entry.name, entry.roles[0])
    numbers = [key for key, value in kind.make().parameters().items() if type(value) in (int, float)]
    for key in numbers:
        with pytest.raises(InputError, match=f"parameter {key} of {entry.name} must be"):
            kind.make({key: "many"})


def test_names_are_unique_within_a_role() -> None:
    for role in catalog.ROLES:
        names = catalog.names(role)
        assert len(names) == len(set(names))


def test_listing_imports_no_framework() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from stealproof.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "assert CliRunner().invoke(main, ['list']).exit_code == 0;"
        "assert CliRunner().invoke(main, ['show', 'knockoff_nets']).exit_code == 0;"
        "heavy = {'torch', 'sklearn', 'scipy', 'numpy', 'matplotlib', 'onnxruntime'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_files_of_the_role_folders_are_systems() -> None:
    home = Path(catalog.__file__).parent
    known = {entry.path for entry in ENTRIES}
    for folder in catalog.FOLDERS:
        for path in (home / folder).glob("[!_]*.py"):
            assert path in known, f"{path} holds no system; give a helper a leading underscore"
