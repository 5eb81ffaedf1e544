"""Small schemes beside those of the catalog, so that the verbs are tested without waiting for a paper's defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from stealproof import catalog


@pytest.fixture
def toy_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    """``toy_mark`` (in training), ``toy_print`` (by controls), ``toy_weights`` (white-box), ``toy_guard``."""
    folder = Path(__file__).parent / "toy_schemes"
    everything = (*catalog.entries(), *catalog._walk(folder, "toy_schemes", recurse=False))
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(catalog, "entries", lambda: everything)
