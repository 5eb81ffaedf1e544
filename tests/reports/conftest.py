"""Cards of disputes that were never held, with outcomes that a test can reason about, and a reader of pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from typing import Any

import pytest

from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import mean_over_seeds, proportion
from stealproof.studies.table import Table

Card = dict[str, Any]
MakeCard = Callable[..., Card]

SUSPECTS = (
    "victim",
    "knockoff_nets",
    "jacobian_augmentation(access=labels)",
    "fine_tuning(layers=all)",
    "fine_tuning(layers=all)+weight_pruning",
    "independent_other_seed",
    "independent_other_half",
)
HOLDS = {
    "steady": (1, 1, 1, 1, 1, 0, 0),
    "brittle": (1, 0, 0, 1, 0, 0, 0),
    "hasty": (1, 1, 1, 1, 1, 0, 1),
}
"""Invented schemes, and which suspects each of them detects."""


@pytest.fixture(scope="session")
def table() -> Table:
    return Table(
        rows=("scheme", "scheme_parameters", "at"),
        columns="suspect",
        measure="detected",
        beside="accuracy_loss",
        doubt="inconclusive",
        spread="log10_p",
        once="price",
    )


@pytest.fixture(scope="session")
def make_card() -> MakeCard:
    """A card of one scheme and suspect, with one p-value a seed."""

    def make(
        scheme: str,
        suspect: str,
        log10_p: Sequence[float],
        *,
        loss: float = 0.02,
        level: float = 0.01,
        inconclusive: int = 0,
        **arguments: Any,
    ) -> Card:
        seeds = len(log10_p)
        detected = sum(10**value <= level for value in log10_p)
        measures: dict[str, Estimate] = {
            "detected": proportion(detected, seeds),
            "inconclusive": proportion(inconclusive, seeds),
            "log10_p": mean_over_seeds(log10_p),
            "queries": mean_over_seeds([100.0] * seeds),
            "accuracy_loss": mean_over_seeds([loss] * seeds),
        }
        if suspect == "victim":
            measures["price"] = mean_over_seeds([0.004 + 0.001 * i for i in range(seeds)])
            measures["victim_accuracy"] = mean_over_seeds([0.96 + 0.001 * i for i in range(seeds)])
        return {
            "name": f"scheme={scheme}, suspect={suspect}",
            "study": "ownership",
            "experiment": "dispute",
            "arguments": {"data": "digits", "scheme": scheme, "suspect": suspect, "level": level, **arguments},
            "seeds": list(range(seeds)),
            "measures": {name: estimate.as_dict() for name, estimate in measures.items()},
            "by_seed": {"log10_p": list(log10_p)},
            "expectations": [],
            "cpu_seconds": 1.0,
            "versions": {"stealproof": "1"},
            "revision": "abc",
        }

    return make


@pytest.fixture
def cards(make_card: MakeCard) -> list[Card]:
    """Every invented scheme against every suspect, five seeds."""
    found = []
    for scheme, outcomes in HOLDS.items():
        for suspect, detected in zip(SUSPECTS, outcomes, strict=True):
            values = [-20.0 - i if detected else -0.1 * i for i in range(5)]
            found.append(make_card(scheme, suspect, values, loss=0.0 if suspect == "victim" else 0.02))
    return found


VOID = {"meta", "br", "img", "input", "link", "hr"}


class Reader(HTMLParser):
    """Collects tags with their attributes and checks that they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="session")
def read() -> Callable[[str], Reader]:
    """A function that parses a page, which must close what it opens."""

    def parse(html: str) -> Reader:
        reader = Reader()
        reader.feed(html)
        assert not reader.open
        return reader

    return parse
