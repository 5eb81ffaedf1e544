from __future__ import annotations

import json

import pytest

from stealproof import catalog
from stealproof.interactions.factors import DEFENSES, FACTORS, INTENDED, PUBLISHED, RISKS
from stealproof.interactions.guideline import RISK_KINDS, defense_kind, read, risk_kind, unintended


def test_the_tables_are_whole() -> None:
    assert len(PUBLISHED) == len(DEFENSES) * len(RISKS) == 56
    assert sum(cell is None for cell in PUBLISHED.values()) == 12
    assert set(INTENDED) <= set(PUBLISHED)
    for arrows in (*DEFENSES.values(), *RISKS.values()):
        assert set(arrows) <= set(FACTORS)
        assert set(arrows.values()) <= {-1, 1}


def test_the_mechanical_reading_agrees_with_23_of_28_decided_cells() -> None:
    cells = list(unintended())
    decided = [reading for reading in cells if reading.conclusion is not None]
    wrong = {(reading.defense, reading.risk) for reading in decided if reading.conclusion != reading.published}
    assert (len(cells), len(decided), len(decided) - len(wrong)) == (34, 28, 23)
    assert wrong == {
        ("adversarial training", "unauthorized ownership"),
        ("adversarial training", "discriminatory behaviour"),
        ("outlier removal", "evasion"),
        ("differential privacy", "poisoning"),
        ("differential privacy", "discriminatory behaviour"),
    }


def test_active_factors_decide_against_passive_ones() -> None:
    reading = read("differential privacy", "evasion")
    assert {shared.factor: shared.says for shared in reading.common} == {"D2": "falls", "O1": "rises", "O3": "rises"}
    assert reading.conclusion == "rises"
    assert reading.reason == "the active factors in common agree (O1, O3)"


def test_disagreeing_or_missing_factors_decide_nothing() -> None:
    assert read("adversarial training", "membership inference").conclusion is None
    assert "disagree" in read("adversarial training", "membership inference").reason
    assert read("explanations", "evasion").reason == "they have no factor in common"


@pytest.mark.parametrize(("defense", "risk"), sorted(PUBLISHED))
def test_every_reading_is_plain_json(defense: str, risk: str) -> None:
    found = json.loads(json.dumps(read(defense, risk).as_dict()))
    assert found["published"] == PUBLISHED[defense, risk]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adi2018", "watermarking"),
        ("dawn", "watermarking"),
        ("zest", "fingerprinting"),
        ("top_k", None),
        ("knockoff_nets", None),
    ],
)
def test_kinds_of_protections_follow_from_their_class(name: str, kind: str | None) -> None:
    assert defense_kind(name) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("dp_sgd", "differential privacy"),
        ("pgd_training", "adversarial training"),
        ("trades", "adversarial training"),
        ("fast_adversarial_training", "adversarial training"),
        ("outlier_removal", "outlier removal"),
        ("regularization", None),
        ("early_stopping", None),
    ],
)
def test_kinds_of_training_defenses(name: str, kind: str | None) -> None:
    if name not in catalog.names("training_defense"):
        pytest.skip(f"{name} is not in the catalog")
    assert defense_kind(name) == kind


def test_kinds_of_risks_are_kinds_of_the_table() -> None:
    assert set(RISK_KINDS.values()) <= set(RISKS)
    for name in catalog.names("risk"):
        kind = risk_kind(name)
        assert kind is None or kind in RISKS
