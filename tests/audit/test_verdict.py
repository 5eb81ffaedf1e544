from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from stealproof.audit.curves import Row
from stealproof.audit.findings import advice, findings, headline
from stealproof.audit.verdict import AuditVerdict, Level, judge
from stealproof.measures.intervals import proportion

MakeRow = Callable[..., Row]


def three(make_row: MakeRow, *fidelities: float, **fields: object) -> list[Row]:
    return [make_row(fidelity, seed=seed, **fields) for seed, fidelity in enumerate(fidelities)]


def judged(rows: list[Row], **fields: object) -> AuditVerdict:
    return judge(rows, access="probabilities", price=0.01, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fidelities", "uniform", "level"),
    [
        ((1.0, 1.0, 1.0), 1.0, Level.EXACT),
        ((1.0, 1.0, 1.0), 0.9, Level.COPIED),
        ((1.0, 1.0, 1.0), None, Level.COPIED),
        ((0.95, 0.95, 0.951), 0.6, Level.COPIED),
        ((0.91, 0.91, 0.91), 0.6, Level.PARTLY),
        ((0.80, 0.80, 0.81), 0.6, Level.PARTLY),
        ((0.76, 0.76, 0.76), 0.6, Level.INCONCLUSIVE),
        ((0.60, 0.60, 0.61), 0.6, Level.RESISTED),
        ((0.60, 0.95, 0.99), 0.6, Level.INCONCLUSIVE),
    ],
)
def test_a_level_needs_the_bound_and_not_the_middle(
    make_row: MakeRow, fidelities: tuple[float, ...], uniform: float | None, level: Level
) -> None:
    assert judged(three(make_row, *fidelities, uniform=uniform)).level is level


def test_few_held_out_inputs_prove_an_exact_copy_together_with_equal_probabilities(make_row: MakeRow) -> None:
    def with_variation(variation: float) -> list[Row]:
        few, tv = proportion(140, 140), proportion(round(10_000 * variation), 10_000)
        extra = {"fidelity": few, "tv": tv, "uniform_tv": tv}
        rows = three(make_row, 1.0, 1.0, 1.0, uniform=1.0)
        return [dataclasses.replace(row, estimates={**row.estimates, **extra}) for row in rows]

    assert judged(with_variation(0.0)).level is Level.EXACT
    assert judged(with_variation(0.05)).level is Level.COPIED


def test_the_first_theft_that_reaches_the_level_is_the_cheapest(make_row: MakeRow) -> None:
    rows = [
        *three(make_row, 0.80, 0.80, 0.80, budget=10),
        *three(make_row, 0.95, 0.95, 0.95, budget=100),
        *three(make_row, 0.97, 0.97, 0.97, budget=1000),
        *three(make_row, 0.96, 0.96, 0.96, attack="exact", budget=1000, queries=31),
    ]
    verdict = judged(rows)
    assert verdict.first is not None
    assert verdict.best is not None
    assert (verdict.first[0].attack, verdict.first[1].queries) == ("exact", 31)
    assert verdict.first[1].cost == pytest.approx(0.31)
    assert verdict.best[1].fidelity.value == pytest.approx(0.97)
    assert "31 queries, which cost 0.31, buy" in headline(verdict, 0.01)


def test_only_what_clients_see_decides(make_row: MakeRow) -> None:
    rows = [*three(make_row, 0.5, 0.5, 0.5), *three(make_row, 0.99, 0.99, 0.99, access="logits")]
    assert judged(rows).level is Level.RESISTED


def test_agreeing_as_often_as_the_constant_guess_is_no_copy(make_row: MakeRow) -> None:
    rows = three(make_row, 0.93, 0.93, 0.93)
    assert judged(rows, constant=proportion(940, 1000)).level is Level.RESISTED
    assert judged(rows, constant=proportion(500, 1000)).level is Level.COPIED


def test_nothing_measured_is_said_so() -> None:
    verdict = judged([])
    assert verdict.level is Level.NOT_MEASURED
    assert "Nothing was measured" in headline(verdict, 0.0)
    assert not findings(verdict)
    assert not advice(verdict)


def test_scores_that_help_the_thief_are_advised_away(make_row: MakeRow) -> None:
    rows = [
        *three(make_row, 0.95, 0.96, 0.95),
        *three(make_row, 0.90, 0.91, 0.90, access="labels"),
    ]
    verdict = judged(rows)
    assert [gap.budget for gap in verdict.gaps] == [100, None]
    assert verdict.gaps[-1].comparison.difference.value == pytest.approx(0.05)
    assert any("labels only" in entry.do for entry in advice(verdict))
    assert any("give something away" in sentence for sentence in findings(verdict))


def test_scores_that_do_not_help_are_not_blamed(make_row: MakeRow) -> None:
    same = [*three(make_row, 0.95, 0.96, 0.95), *three(make_row, 0.95, 0.96, 0.95, access="labels")]
    assert any("Do not count on hiding" in entry.do for entry in advice(judged(same)))
    noisy = [*three(make_row, 0.95, 0.96, 0.90), *three(make_row, 0.90, 0.97, 0.93, access="labels")]
    assert not any("labels only" in entry.do or "hiding" in entry.do for entry in advice(judged(noisy)))
    assert any("cannot" in s or "can tell from zero" in s for s in findings(judged(noisy)))


@pytest.mark.parametrize(
    ("own", "words"),
    [(0.80, "owed to your model's answers"), (0.95, "cannot tell from zero"), (0.99, "true labels are worth more")],
)
def test_the_theft_is_compared_with_a_model_of_ones_own(make_row: MakeRow, own: float, words: str) -> None:
    rows = three(make_row, 0.95, 0.96, 0.94)
    reference = three(make_row, own, own + 0.001, own, attack="independent", access="no queries")
    verdict = judged(rows, reference=reference)
    assert verdict.reference_rows == 100
    assert any(words in sentence for sentence in findings(verdict))


def test_the_comparison_takes_as_many_labels_as_the_thief_had_queries(make_row: MakeRow) -> None:
    reference = [
        row
        for budget in (10, 50, 500)
        for row in three(make_row, 0.5, 0.5, 0.5, attack="independent", access="no queries", budget=budget)
    ]
    assert judged(three(make_row, 0.95, 0.96, 0.94), reference=reference).reference_rows == 50


def test_one_seed_gives_a_verdict_but_no_paired_difference(make_row: MakeRow) -> None:
    verdict = judged([make_row(0.95), make_row(0.90, access="labels")], reference=[make_row(0.9)])
    assert verdict.level is Level.COPIED
    assert verdict.gaps == ()
    assert verdict.over_reference is None


def test_wide_intervals_ask_for_more_evidence(make_row: MakeRow) -> None:
    verdict = judged(three(make_row, 0.60, 0.75, 0.90))
    assert any("more seeds" in entry.do for entry in advice(verdict))


@pytest.mark.parametrize("fidelity", [1.0, 0.95, 0.8, 0.76, 0.5])
def test_every_sentence_carries_its_number(make_row: MakeRow, fidelity: float) -> None:
    verdict = judged(three(make_row, fidelity, fidelity, fidelity, uniform=fidelity))
    assert f"{100 * fidelity:.1f}%" in headline(verdict, 0.01)
    assert "95% interval" in headline(verdict, 0.01)
    assert all(any(character.isdigit() for character in sentence) for sentence in findings(verdict))
