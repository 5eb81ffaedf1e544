from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stealproof.studies import sources
from stealproof.studies.sources import code_digest, key_of, versions


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of two modules, of which ``top`` imports ``below``."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "top.py").write_text(
        '"""Top."""\n\n\ndef f():\n    """F."""\n    from mine.below import g\n    return g()\n'
    )
    (folder / "below.py").write_text("def g():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    code_digest.cache_clear()


def digest(module: str) -> str:
    code_digest.cache_clear()
    return code_digest(module)


def test_words_and_layout_do_not_matter_and_code_does(package: Path) -> None:
    before = digest("mine.top")
    (package / "top.py").write_text(
        '"""Other words."""\n# remark\ndef f():\n  from mine.below import g\n  return g()\n'
    )
    assert digest("mine.top") == before
    (package / "top.py").write_text("def f():\n    from mine.below import g\n    return g() + 1\n")
    assert digest("mine.top") != before


def test_what_is_imported_counts_too(package: Path) -> None:
    before = digest("mine.top")
    (package / "below.py").write_text("def g():\n    return 2\n")
    assert digest("mine.top") != before


def test_what_only_type_checkers_import_does_not_count(package: Path) -> None:
    (package / "top.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mine import below\n")
    before = digest("mine.top")
    (package / "below.py").write_text("def g():\n    return 3\n")
    assert digest("mine.top") == before


def test_systems_inside_a_text_count(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = {"stealproof.attacks.removal.distillation": "1"}
    monkeypatch.setattr(sources, "code_digest", lambda module: codes.get(module, "0"))
    before = key_of("cell", {"suspect": "fine_tuning(layers=last)+distillation"}, roots=())
    codes["stealproof.attacks.removal.distillation"] = "2"
    assert key_of("cell", {"suspect": "fine_tuning(layers=last)+distillation"}, roots=()) != before


def test_nothing_is_imported_for_it(package: Path) -> None:
    digest("mine.top")
    assert not [name for name in sys.modules if name.partition(".")[0] == "mine"]


def test_a_key_depends_on_everything_and_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = ("stealproof.seeds",)
    base = key_of("cell", {"attack": "knockoff_nets", "sizes": (1, 2)}, roots=roots)
    assert base == key_of("cell", {"sizes": [1, 2], "attack": "knockoff_nets"}, roots=roots)
    assert len(base) == 64
    others = [
        key_of("victim", {"attack": "knockoff_nets", "sizes": [1, 2]}, roots=roots),
        key_of("cell", {"attack": "knockoff_nets", "sizes": [1, 3]}, roots=roots),
        key_of("cell", {"attack": "knockoff_nets", "sizes": [1, 2]}, roots=("stealproof.oracle",)),
    ]
    monkeypatch.setattr(sources, "versions", lambda: versions() | {"torch": "1.0"})
    others.append(key_of("cell", {"attack": "knockoff_nets", "sizes": [1, 2]}, roots=roots))
    assert len({base, *others}) == 5


def test_files_folders_and_functions_enter_by_content(package: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    folder = tmp_path / "images"
    folder.mkdir()
    steps = [
        lambda: model.write_text("one"),
        lambda: model.write_text("two"),
        lambda: (tmp_path / "model.json").write_text("{}"),
        lambda: (folder / "a.png").write_text("a"),
        lambda: (package / "below.py").write_text("def g():\n    return 3\n"),
    ]
    keys = set()
    for step in steps:
        step()
        code_digest.cache_clear()
        description = {"target": str(model), "data": str(folder), "more": ["mine.top:f"]}
        keys.add(key_of("cell", description, roots=()))
    assert len(keys) == len(steps)
