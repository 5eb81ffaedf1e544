from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from stealproof.claims import Claim
from stealproof.court.claiming import claim_model
from stealproof.court.hearing import Hearing, Party
from stealproof.court.replay import replay
from stealproof.court.verdict_file import judge_and_sign
from stealproof.evidence.keys import new_key, open_private
from stealproof.inputs.claim import save_claim
from stealproof.oracle import Answers, Domain, Oracle
from stealproof.reports.judgement_page import QUESTIONS, judgement_page


class Constant(Oracle):
    def __init__(self, labels: dict[bytes, int]) -> None:
        super().__init__(domain=Domain(shape=(1, 4, 4)), classes=10)
        self._labels = labels

    def _answer(self, queries: Any) -> Answers:
        labels = np.asarray([self._labels.get(row.tobytes(), int(row.sum() * 1e4) % 10) for row in queries])
        return Answers(labels=labels, scores=np.eye(10)[labels])


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A copy and an innocent model before a claim without timestamp: inconclusive, and not owned."""
    folder = tmp_path_factory.mktemp("page")
    new_key(folder / "key")
    key = open_private(folder / "key")
    rng = np.random.default_rng(0)
    inputs = rng.random((20, 1, 4, 4)).astype(np.float32)
    secrets: dict[str, Any] = {"inputs": inputs, "labels": rng.integers(10, size=20), "classes": 10}
    path = save_claim(Claim(scheme="adi2018", parameters={"triggers": 20}, secrets=secrets), folder / "my.claim")
    (folder / "model").write_bytes(b"weights")
    dossier = claim_model(path.read_bytes(), folder / "model", key, what="it").to_bytes()
    known = {row.tobytes(): int(label) for row, label in zip(inputs, secrets["labels"], strict=True)}
    hearing = Hearing(dossier=dossier, level=0.05)
    controls = [Party(name=f"control {n}", oracle=Constant({})) for n in range(2)]
    suspects = {"copy": (Constant(known), ()), "innocent": (Constant({}), controls)}
    return {
        name: judge_and_sign(hearing, Party(name=f"<{name}>", oracle=oracle), key, controls=others)[1]
        for name, (oracle, others) in suspects.items()
    }


class Checker(HTMLParser):
    """Refuses tags that do not match, and whatever would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href"):
                assert (value or "").startswith("#")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("name", "decision", "matched", "drawings"), [("copy", "inconclusive", 20, 2), ("innocent", "not owned", None, 2)]
)
def test_a_page_tells_the_decision_every_step_and_what_was_seen(
    verdicts: dict[str, bytes], name: str, decision: str, matched: int | None, drawings: int
) -> None:
    page = judgement_page(*replay(verdicts[name]))
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert f"<strong>{decision}</strong>" in page
    assert f"&lt;{name}&gt;" in page
    assert f"<{name}>" not in page
    assert page.count("<svg") == drawings
    assert "url(http" not in page
    for number, question in enumerate(QUESTIONS.values(), 1):
        assert f"{number}. {question}".replace("'", "&#39;") in page
    if matched is not None:
        assert f"gave {matched} of 20 questions" in page
    assert re.search(r"evidence \(log10", page)


def test_equal_verdicts_are_equal_pages(verdicts: dict[str, bytes]) -> None:
    assert judgement_page(*replay(verdicts["copy"])) == judgement_page(*replay(verdicts["copy"]))
