from __future__ import annotations

from dataclasses import replace

import pytest

from stealproof import catalog
from stealproof.errors import InputError, UnknownName
from stealproof.interactions.conjecture import Conjecture, by_stage, conjecture, score
from stealproof.interactions.published import DUDDU2025, KINDS, SZYLLER2023
from stealproof.interactions.stages import POISONING, ROLES, Act, Moment, Place, act_of
from stealproof.roles.training_defense import Hook

PROTECTIONS = sorted({name for role in ROLES for name in catalog.names(role)})


@pytest.mark.parametrize("name", PROTECTIONS)
def test_every_protection_has_an_act_with_every_other(name: str) -> None:
    act = act_of(name)
    assert act.name == name
    for other in PROTECTIONS:
        if other != name:
            found, swapped = conjecture(name, other), conjecture(other, name)
            assert found.guess == swapped.guess
            assert "\n" not in found.reason


@pytest.mark.parametrize(
    ("name", "moment", "changes", "uses"),
    [
        ("adi2018", Moment.IN, {Place.WEIGHTS}, {POISONING}),
        ("uchida2017", Moment.IN, {Place.WEIGHTS}, set()),
        ("radioactive_data", Moment.PRE, {Place.DATA}, {POISONING}),
        ("dawn", Moment.POST, {Place.ANSWERS}, set()),
        ("dataset_inference", Moment.POST, set(), set()),
        ("top_k", Moment.POST, {Place.ANSWERS}, set()),
    ],
)
def test_the_class_tells_when_and_what(name: str, moment: Moment, changes: set[Place], uses: set[str]) -> None:
    act = act_of(name)
    assert act.moment is moment
    assert set(act.changes) == changes
    assert set(act.uses) == uses


def act(name: str, moment: Moment, *changes: Place, lowers: str = "", uses: str = "") -> Act:
    return Act(
        name=name, moment=moment, changes=frozenset(changes), lowers=frozenset([lowers]), uses=frozenset([uses]) - {""}
    )


@pytest.mark.parametrize(
    ("one", "other", "guess", "rule"),
    [
        (act("a", Moment.PRE, Place.DATA, uses="x"), act("b", Moment.POST, lowers="x"), "conflict", "risk"),
        (act("a", Moment.IN, Place.WEIGHTS), act("b", Moment.IN, Place.WEIGHTS), "conflict", "one loss"),
        (act("a", Moment.IN, Place.WEIGHTS), act("b", Moment.POST, Place.WEIGHTS), "conflict", "override"),
        (act("a", Moment.POST, Place.ANSWERS), act("b", Moment.POST, Place.ANSWERS), "conflict", "override"),
        (act("a", Moment.IN, Place.WEIGHTS), act("b", Moment.POST, Place.ANSWERS), "aligned", "none"),
        (act("a", Moment.IN, Place.WEIGHTS), act("b", Moment.POST), "aligned", "none"),
    ],
)
def test_each_step_of_the_rule(one: Act, other: Act, guess: str, rule: str) -> None:
    found = by_stage(one, other)
    assert (found.guess, found.rule) == (guess, rule)
    assert found.as_dict()["one"]["name"] == "a"


def known(one: str, other: str) -> Conjecture:
    """On the catalog's names where they exist; the two defenses of the paper may not be installed."""
    kinds = {"dp_sgd": KINDS["private training"], "pgd_training": KINDS["adversarial training"]}
    return by_stage(act_of(one), kinds[other])


def test_the_rule_on_the_first_paper_of_conflicts() -> None:
    """Six pairs whose verdicts were known when the rule was written, so that this is a fit, not a test of it."""
    found = score((known(one, other).guess, truth) for one, other, truth in SZYLLER2023)
    assert (found.conflicts, found.found, found.aligned, found.spared) == (3, 3, 3, 3)
    assert found.low < 0.7


@pytest.mark.parametrize(("one", "other", "truth"), SZYLLER2023)
def test_our_own_implementations_fall_into_the_same_steps(one: str, other: str, truth: str) -> None:
    if other not in PROTECTIONS:
        pytest.skip(f"{other} is not in the catalog")
    assert conjecture(one, other).guess == truth == known(one, other).guess


def test_the_rule_on_the_thirty_new_pairs() -> None:
    found = score((by_stage(KINDS[one], KINDS[other]).guess, truth) for one, other, truth, _ in DUDDU2025)
    assert (found.conflicts, found.found, found.aligned, found.spared) == (8, 6, 22, 20)
    assert found.balanced_accuracy == pytest.approx(0.83, abs=0.005)
    assert [found.low, found.high] == pytest.approx([0.61, 0.95], abs=0.005)


def test_places_alone_explain_little_of_them() -> None:
    """Without the step that was read off the authors' conjectures."""
    bare = {name: replace(kind, uses=frozenset()) for name, kind in KINDS.items()}
    found = score((by_stage(bare[one], bare[other]).guess, truth) for one, other, truth, _ in DUDDU2025)
    assert (found.found, found.spared) == (2, 20)
    assert found.balanced_accuracy == pytest.approx(0.58, abs=0.005)


def test_the_published_headline_follows_from_the_table() -> None:
    """81% before tuning, 86% after, which resolved one pair: the abstracts' numbers, so the table is read rightly."""
    before = score((theirs, truth) for _, _, truth, theirs in DUDDU2025)
    tuned = ("data watermark", "answer watermark")
    after = score((theirs, "aligned" if (one, other) == tuned else truth) for one, other, truth, theirs in DUDDU2025)
    assert (round(before.balanced_accuracy, 2), round(after.balanced_accuracy, 2)) == (0.81, 0.86)


def test_what_can_not_be_trained_together_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog.load("adi2018"), "exclusive", frozenset({Hook.PREPARE}))
    found = conjecture("uchida2017", "adi2018")
    assert (found.guess, found.rule) == ("conflict", "refused")
    assert found.reason.startswith("adi2018 and uchida2017 can't share the prepare stage")
    assert conjecture("adi2018", "dawn").rule == "none"


def test_a_score_needs_both_kinds() -> None:
    with pytest.raises(InputError, match="both kinds"):
        score([("conflict", "conflict")])


def test_names_that_can_not_be_judged_are_refused() -> None:
    with pytest.raises(InputError, match="compared with itself"):
        conjecture("adi2018", "adi2018")
    with pytest.raises(UnknownName, match="did you mean 'adi2018'"):
        conjecture("adi2081", "dawn")
    with pytest.raises(InputError, match="knockoff_nets is of the role extraction and protects no model"):
        conjecture("adi2018", "knockoff_nets")
