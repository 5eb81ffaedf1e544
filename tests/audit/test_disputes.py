from __future__ import annotations

from typing import Any

import pytest

from stealproof.audit.disputes import with_disputes
from stealproof.claims import Decision, Verdict

OWNERSHIP: dict[str, Any] = {"schemes": [], "findings": ["Dawn proves it against nobody."], "left_out": []}


def dispute(decision: Decision, *reasons: str) -> dict[str, Any]:
    verdict = Verdict(
        scheme="adi2018",
        decision=decision,
        null="the suspect was made without knowledge of the labels",
        statistic=99.0,
        threshold=20.0,
        p_value=1.234e-9,
        level=0.01,
        reasons=("the p-value is what it is", *reasons),
    )
    return {"claim": "mine.claim", "suspect": "theirs.safetensors", **verdict.in_json()}


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Decision.OWNED, "theirs.safetensors is yours by mine.claim (adi2018, p = 1.23e-09 at the level 0.01)."),
        (Decision.NOT_OWNED, "theirs.safetensors is not shown to be yours by mine.claim (adi2018, p = 1.23e-09 at"),
        (Decision.INCONCLUSIVE, "theirs.safetensors can't be judged by mine.claim (adi2018, p = 1.23e-09 at the level"),
    ],
)
def test_a_verdict_is_the_first_finding_and_the_others_stay(decision: Decision, said: str) -> None:
    section = with_disputes(OWNERSHIP, [dispute(decision, "the suspect answers every input with class 3")])
    assert section["findings"][0].startswith(said)
    assert section["findings"][1:] == OWNERSHIP["findings"]
    assert section["disputes"][0]["decision"] == decision
    unsure = decision is Decision.INCONCLUSIVE
    assert section["findings"][0].endswith(": the suspect answers every input with class 3.") == unsure
    assert bool(section["disputes"][0]["doubt"]) == unsure


def test_without_disputes_the_section_stays_as_it_is() -> None:
    assert with_disputes(OWNERSHIP, []) == {**OWNERSHIP, "disputes": []}
