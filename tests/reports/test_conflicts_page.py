"""The page and the text of interactions that were never measured, with numbers that a test can reason about."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from stealproof.interactions.criterion import DEFAULT_CRITERION, Interaction, interaction
from stealproof.interactions.sensitivity import sensitivity
from stealproof.measures.intervals import mean_over_seeds
from stealproof.reports._interactions import decisive, harm, in_words, placed
from stealproof.reports._losses import losses, sensitivity_plot
from stealproof.reports.conflicts_page import conflicts_page
from stealproof.reports.conflicts_text import conflicts_text

DP, PGD = "dp_sgd(epsilon=3)", "pgd_training(radius=0.1)"
AROUND = (-0.002, 0.0, 0.002)
"""What three seeds differ by."""


def over(value: float) -> list[float]:
    return [value + difference for difference in AROUND]


def measured(effect: float, robust: float) -> Interaction:
    """A watermark with an effect of 0.9 alone beside adversarial training with a robust accuracy of 0.7 alone."""
    return interaction(
        "adi2018",
        PGD,
        alone={
            "adi2018": {"accuracy": over(0.95), "adi2018.effect": over(0.9)},
            PGD: {"accuracy": over(0.93), "evasion.robust_accuracy": over(0.7)},
        },
        together={
            "accuracy": over(0.92),
            "adi2018.effect": over(effect),
            # Against the grain of the seeds, so that the paired loss has an interval.
            "evasion.robust_accuracy": over(robust)[::-1],
        },
    )


def card(value: float) -> dict[str, Any]:
    return {
        "measures": {"accuracy": mean_over_seeds(over(value)).as_dict(), "adi2018.log10_p": None},
        "arguments": {"data": "digits", "protections": ["adi2018", PGD]},
        "seeds": [0, 1, 2],
        "cpu_seconds": 20.0,
    }


@pytest.fixture
def report() -> dict[str, Any]:
    found = [measured(0.3, 0.7), measured(0.88, 0.69)]
    pairs = [pair.as_dict() for pair in found]
    pairs[1] |= {"one": "derived_triggers", "sentence": "derived_triggers with pgd: fine: so it is."}
    pairs[0] |= {
        "cards": {"one": card(0.95), "other": card(0.93), "together": card(0.92)},
        "command": f"stealproof conflicts digits --with 'adi2018,{PGD}'",
        "conjecture": {"sentence": "conflict by the stage rule: they <compete>."},
    }
    for one in pairs[0]["cards"].values():
        one["measures"]["adi2018.log10_p"] = mean_over_seeds(over(-20.0)).as_dict()
    return {
        "title": "Do the defenses get along?",
        "criterion": DEFAULT_CRITERION.as_dict(),
        "panels": [
            {
                "data": "digits",
                "seeds": [0, 1, 2],
                "interactions": pairs,
                "excluded": [{"one": DP, "other": PGD, "why": "they can't share a stage"}],
                "failed": [{"name": "uchida2017 alone", "why": "no layer is wide enough"}],
            }
        ],
        "sensitivity": [{"data": "digits", **line.as_dict()} for line in sensitivity(found)],
        "versions": {"stealproof": "1"},
        "revision": "abc",
        "cpu_seconds": 60.0,
        "command": "stealproof conflicts digits",
    }


def test_a_page_says_verdicts_numbers_and_what_was_left_out(report: dict[str, Any], read: Callable[[str], Any]) -> None:
    page = read(conflicts_page(report))
    words = " ".join(" ".join(page.text).split())
    for said in (
        "1 conflict",
        "0.90 → 0.30",
        "The effect of adi2018 falls from .90 to .30",
        "they <compete>",
        "excluded",
        "can't be deployed together: they can't share a stage",
        "no layer is wide enough",
        "adi2018.log10_p",
        "60 seconds of processor time",
        f"stealproof conflicts digits --with 'adi2018,{PGD}'",
        "50% of its value alone",
    ):
        assert said.replace("  ", " ") in words
    assert not page.open
    assert all(name != "script" for name, _ in page.tags)
    links = [attributes["href"] for name, attributes in page.tags if name == "a"]
    assert all(link in {f"#{anchor}" for anchor in page.ids} for link in links if link and link.startswith("#"))
    assert len(page.ids) == len(set(page.ids))


def test_colours_are_doubled_by_words_and_grow_with_the_loss(report: dict[str, Any]) -> None:
    harder = copy.deepcopy(report)
    harder["panels"][0]["interactions"][0] = measured(0.0, 0.1).as_dict()
    depths = [int(page.partition("--depth: ")[2].partition("%")[0]) for page in map(conflicts_page, (report, harder))]
    assert depths[0] < depths[1]


def test_the_text_has_a_table_of_verdicts_losses_and_sentences(report: dict[str, Any]) -> None:
    text = conflicts_text(report)
    lines = text.splitlines()
    assert lines[0] == "digits, 3 seeds"
    assert any(line.split() == ["adi2018", "conflict"] for line in lines)
    assert "effect of adi2018" in text
    assert "adi2018 with pgd_training(radius=0.1): conflict: the effect of adi2018 falls from .90 to .30" in text
    assert "dp sgd (epsilon 3) and pgd training (radius 0.1) can't be deployed together: they can't share" in text
    assert "not measured: uchida2017 alone: no layer is wide enough" in text
    assert all(len(line) <= 110 for line in lines)


def test_a_single_seed_has_no_interval_and_says_so(report: dict[str, Any]) -> None:
    alone = {"adi2018": {"accuracy": [0.9], "adi2018.effect": [0.9]}, DP: {"accuracy": [0.9]}}
    pair = interaction("adi2018", DP, alone=alone, together={"accuracy": [0.9], "adi2018.effect": [0.8]})
    report["panels"][0] |= {"seeds": [0], "interactions": [pair.as_dict()], "excluded": [], "failed": []}
    report["sensitivity"] = [{"data": "digits", **line.as_dict()} for line in sensitivity([pair])]
    assert "unknown" in conflicts_page(report)
    assert "0.100 (unknown)" in conflicts_text(report)


def test_losses_are_drawn_in_units_of_the_limit() -> None:
    pair = measured(0.3, 0.6).as_dict()
    effect = next(outcome for outcome in pair["outcomes"] if outcome["measure"] == "adi2018.effect")
    value, low, high = harm(effect)
    assert value == pytest.approx(0.6 / 0.45)
    assert low <= value <= high
    assert decisive(pair)["measure"] == "evasion.robust_accuracy"  # type: ignore[index]
    drawn = losses(pair).replace("\N{MULTIPLICATION SIGN}", "x")
    assert "robust accuracy of pgd training (evasion): 2x (1.8x to 2.2x) of what is tolerated" in drawn


def test_where_verdicts_flip_is_drawn_exactly() -> None:
    (line,) = sensitivity([measured(0.3, 0.7)])
    drawn = sensitivity_plot([line.as_dict()])
    assert "conflict with limits up to 1.3 times as wide" in drawn
    assert "fine with limits from 1.3 times as wide" in drawn
    (always,) = sensitivity([measured(0.9, 0.7)])
    assert "fine throughout" in sensitivity_plot([{**always.as_dict(), "conflict_below": None, "fine_from": None}])


def test_schemes_make_rows_and_defenses_columns() -> None:
    rows, columns, places = placed([("early_stopping", "adi2018"), ("uchida2017", "early_stopping")])
    assert (rows, columns) == (["adi2018", "uchida2017"], ["early_stopping"])
    assert places == {("adi2018", "early_stopping"): 0, ("uchida2017", "early_stopping"): 1}
    rows, columns, places = placed([("adi2018", "uchida2017"), ("adi2018", "early_stopping")])
    assert len(places) == 2
    assert rows == ["adi2018"]
    assert in_words("dp_sgd(epsilon=3, clip=1.0)") == "dp sgd (epsilon 3, clip 1.0)"
    pairs = [("adi2018", "all the others"), ("adi2018", "early_stopping"), ("uchida2017", "adi2018")]
    assert placed(pairs)[1] == ["early_stopping", "adi2018", "all the others"]
