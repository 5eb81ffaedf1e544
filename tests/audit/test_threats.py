from __future__ import annotations

import math

import pytest

from stealproof.audit.threats import ThreatMap, bits_per_answer, threat_map
from stealproof.inputs.oracle import parse_access
from stealproof.oracle import Access, Answer


def test_labels_carry_the_logarithm_of_the_classes() -> None:
    assert bits_per_answer(Access(answer=Answer.LABELS), 8) == pytest.approx(3)


def test_rounded_probabilities_are_counted_exactly() -> None:
    # Two classes in steps of 0.1: 11 different answers. Three classes in steps of 0.1: 66.
    assert bits_per_answer(parse_access("probabilities:1"), 2) == pytest.approx(math.log2(11))
    assert bits_per_answer(parse_access("probabilities:1"), 3) == pytest.approx(math.log2(66))


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_richer_answers_carry_more(classes: int) -> None:
    kinds = ("labels", "top-1:2", "probabilities:4", "probabilities", "logits")
    bits = [bits_per_answer(parse_access(kind), classes) for kind in kinds]
    assert bits == sorted(bits)
    assert len(set(bits)) == len(bits)


def test_the_map_says_what_this_interface_shows() -> None:
    shown = {
        access: {part.part: part.shown for part in _map(access).exposure}
        for access in ("labels", "top-3:2", "logits", "probabilities+incomplete")
    }
    assert shown["labels"]["scores"] == "no"
    assert shown["top-3:2"]["scores"] == "the 3 largest of 10"
    assert shown["top-3:2"]["precision of scores"] == "2 decimals"
    assert shown["logits"]["logits"] == "yes"
    assert shown["probabilities+incomplete"]["answers to incomplete inputs"] == "yes"


def test_the_adversary_is_described_and_what_is_not_measured_is_said() -> None:
    threats = _map("probabilities")
    topics = {item.topic: item.assumed for item in threats.adversary}
    assert "1,234" in topics["queries"]
    assert topics["inputs"] == "some photographs"
    assert [goal.measured for goal in threats.goals] == [True, True, False]


def _map(access: str) -> ThreatMap:
    return threat_map(
        access=parse_access(access), classes=10, pool="some photographs", architecture="not known", largest_budget=1234
    )
