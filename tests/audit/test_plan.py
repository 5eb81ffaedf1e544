from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stealproof import catalog
from stealproof.audit.plan import Plan, check_budgets, make_plan, usual_budgets
from stealproof.catalog import Entry
from stealproof.errors import BudgetExceeded, InputError, UnknownName

THIRD_PARTY = '''
"""Guess: asks nothing and guesses, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stealproof.oracle import Answer
from stealproof.roles.extraction import Extraction


@dataclass(frozen=True, kw_only=True)
class Guess(Extraction):
    """Guess."""

    accepts = frozenset({Answer.LABELS})
    victims = "decision tree"

    def _extract(self, theft: Any) -> Any:
        raise NotImplementedError
'''


def planned(**changes: Any) -> Plan:
    request: dict[str, Any] = {
        "kinds": ("network",),
        "accesses": ("probabilities", "labels"),
        "inputs": 4,
        "budgets": (10, 100),
        "pool": "own",
        "pool_rows": 50,
    }
    return make_plan(**(request | changes))


def test_every_attack_of_the_catalog_is_planned_or_left_out_with_a_reason() -> None:
    plan = planned()
    found = {(p.attack, p.access) for p in plan.planned} | {(o.attack, o.access) for o in plan.left_out}
    assert found == {(a, access) for a in catalog.names("extraction") for access in ("probabilities", "labels")}
    assert all([p.why for p in plan.planned] + [o.why for o in plan.left_out])


def test_budgets_beyond_the_pool_are_for_those_who_make_inputs() -> None:
    budgets = {p.attack: p.budgets for p in planned().planned}
    assert budgets["knockoff_nets"] == (10,)
    assert budgets["jacobian_augmentation"] == (10, 100)


def test_attacks_made_for_another_kind_of_model_are_left_out() -> None:
    assert "equation_solving" not in {p.attack for p in planned().planned}
    plan = planned(kinds=("logistic regression",))
    assert ("equation_solving", "probabilities") in {(p.attack, p.access) for p in plan.planned}
    reasons = {(o.attack, o.access): o.why for o in plan.left_out}
    assert "needs logits or probabilities" in reasons["equation_solving", "labels"]


def test_an_attack_that_looks_at_labels_only_is_run_once_for_all_accesses() -> None:
    asked = {(p.attack, p.access): (p.asked, p.why) for p in planned().planned}
    assert asked["jacobian_augmentation", "labels"][0] == "labels"
    assert asked["jacobian_augmentation", "probabilities"][0] == "labels"
    assert "looks at labels only" in asked["jacobian_augmentation", "probabilities"][1]
    assert asked["knockoff_nets", "probabilities"][0] == "probabilities"


def test_without_a_pool_the_attacks_that_need_one_are_left_out() -> None:
    plan = planned(pool="none", pool_rows=0)
    reasons = {o.attack: o.why for o in plan.left_out}
    assert "there is none" in reasons["knockoff_nets"]


def test_an_attack_that_is_asked_for_is_tried_on_any_kind() -> None:
    plan = planned(attacks=("equation-solving",))
    assert [(p.attack, p.access) for p in plan.planned] == [("equation_solving", "probabilities")]


def test_bad_wishes_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'knockoff_nets'"):
        planned(attacks=("knockof_nets",))
    with pytest.raises(InputError, match="no attack that you named fits: knockoff_nets needs"):
        planned(attacks=("knockoff_nets",), budgets=(100,))
    with pytest.raises(BudgetExceeded, match="at least 1 query, got 0"):
        check_budgets((10, 0))


def test_a_third_party_attack_is_planned_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "guess_for_tests.py").write_text(THIRD_PARTY)
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = Entry(
        name="guess_for_tests",
        roles=("extraction",),
        summary="Guess.",
        module="guess_for_tests",
        class_name="Guess",
        source={},
        path=tmp_path / "guess_for_tests.py",
    )
    known = catalog.entries()
    monkeypatch.setattr(catalog, "entries", lambda: (*known, entry))
    plan = planned(kinds=("decision tree",))
    assert ("guess_for_tests", "labels") in {(p.attack, p.access) for p in plan.planned}


def test_usual_budgets_end_at_the_pool_and_are_spread_evenly() -> None:
    assert usual_budgets(449) == (50, 150, 449)
    assert usual_budgets(1_000_000)[-1] == 10_000
    assert usual_budgets(2) == (1, 2)
    assert check_budgets((100, 10, 10)) == (10, 100)


def test_budgets_that_nobody_asked_for_suit_the_attack() -> None:
    plan = planned(budgets=(), kinds=("logistic regression",), inputs=30, pool_rows=449)
    budgets = {p.attack: p.budgets for p in plan.planned}
    assert budgets["knockoff_nets"] == (50, 150, 449)
    assert budgets["equation_solving"] == (310, 3100, 31_000)
    large = planned(budgets=(), kinds=("logistic regression",), inputs=784, pool_rows=449)
    assert max(p.budgets[-1] for p in large.planned) == 100_000
