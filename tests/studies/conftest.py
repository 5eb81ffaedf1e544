"""An experiment that costs nothing, so that the engine can be tested without training anything."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stealproof import catalog
from stealproof.catalog import Entry
from stealproof.studies.store import Store
from stealproof.studies.study import Expectation, Study

COIN = '''
"""Coin: heads with a given bias, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from stealproof import seeds
from stealproof.errors import InputError
from stealproof.measures.intervals import proportion
from stealproof.roles.experiment import Experiment
from stealproof.roles.risk import Measurement


@dataclass(frozen=True, kw_only=True)
class Coin(Experiment):
    """Throw a coin."""

    measures: ClassVar[Mapping[str, str]] = {"heads": "share of heads"}
    bias: float = 0.5
    throws: int = 100
    breaks: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    log: str = ""

    def check(self) -> None:
        if not 0 <= self.bias <= 1:
            raise InputError(f"bias must lie between 0 and 1, got {self.bias}")

    def run(self, *, seed: int, workshop: Any) -> Measurement:
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{self.bias} {seed}\\n")
        if self.breaks == "on purpose":
            raise InputError("the coin stands on its edge; throw again")
        if self.breaks == "by mistake":
            raise ZeroDivisionError("oops")
        if self.breaks == "interrupted" and seed == 1:
            raise KeyboardInterrupt
        heads = int((seeds.rng(seed, "coin").random(self.throws) < self.bias).sum())
        return Measurement(estimates={"heads": proportion(heads, self.throws)}, details={"heads": heads})
'''


@pytest.fixture
def coin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The experiment ``coin`` in the catalog for one test; returns its file."""
    folder = tmp_path / "coins"
    folder.mkdir()
    path = folder / "coin.py"
    path.write_text(COIN)
    entry = Entry(
        name="coin",
        roles=("experiment",),
        summary="Coin: heads with a given bias, for tests.",
        module="coin",
        class_name="Coin",
        source={},
        path=path,
    )
    known = catalog.entries()
    monkeypatch.setattr(catalog, "entries", lambda: (*known, entry))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "coin", raising=False)
    forget_code()
    return path


def forget_code() -> None:
    from stealproof.studies import sources

    sources.code_digest.cache_clear()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store that the command line uses, too."""
    monkeypatch.setenv("STEALPROOF_CACHE", str(tmp_path / "cache"))
    return Store()


@pytest.fixture
def tosses(coin: Path) -> Callable[..., Study]:
    """A function that makes studies of coins: one combination for each of ``biases``."""

    def make(*biases: float, seeds: int = 3, expect: tuple[Expectation, ...] = (), **settings: object) -> Study:
        return Study(
            name="tosses",
            title="Coins",
            experiment="coin",
            combinations=tuple({"bias": bias, **settings} for bias in biases),
            seeds=tuple(range(seeds)),
            expectations=expect,
        )

    return make
