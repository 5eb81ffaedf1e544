from __future__ import annotations

from typing import Any

import pytest

from stealproof.measures.intervals import proportion
from stealproof.reports.matrix import (
    make_matrix,
)
from stealproof.reports.matrix_text import matrix_markdown, matrix_text
from stealproof.studies.table import Table

Card = dict[str, Any]


def test_a_text_says_count_loss_price_and_every_interval(cards: list[Card], table: Table, make_card: Any) -> None:
    many = make_card("hasty", "independents(count=40)", [-2.5] * 5)
    many["measures"]["detected"] = proportion(25, 200).as_dict()
    text = matrix_text(make_matrix([*cards, many], table))
    own = text.split("\n\n")[0].splitlines()
    assert own[-3].split()[:5] == ["steady", "5/5", "+0.0", "+0.6", "1.00"]
    assert own[-1].split()[:4] == ["hasty", "5/5", "+0.0", "+0.6"]
    assert "false-accusation rate of 0.01" in text
    # Clopper-Pearson of 0 and 5 out of 5 and of 25 out of 200.
    assert "0/5 is 0 to 52%, 5/5 is 48 to 100%, 25/200 is 8.3 to 17.9%" in " ".join(text.split())


def test_the_area_counts_single_suspects_and_every_seed(make_card: Any, table: Table) -> None:
    cards = [
        make_card("steady", "victim", [-9.0, -8.0]),
        make_card("steady", "fine_tuning", [-1.0, -3.0]),
        make_card("steady", "independent_other_half", [-2.0, 0.0]),
    ]
    many = make_card("steady", "independents(count=40)", [-9.0, -9.0])
    many["measures"]["detected"] = proportion(1, 80).as_dict()
    area = make_matrix([*cards, many], table).rows[0].area
    assert area is not None
    assert (area.value, area.n) == (7 / 8, 6)


def test_markdown_has_a_line_for_each_suspect(cards: list[Card], table: Table) -> None:
    matrix = make_matrix(cards, table)
    lines = matrix_markdown(matrix)
    assert lines[0].startswith("| suspect | steady |")
    assert all(line.count("|") == len(matrix.rows) + 2 for line in lines if line.startswith("|"))
    assert [line for line in lines if "**AUC**" in line]
    assert sum(line.count("/5 ") for line in lines if line.startswith("|")) == len(cards)


@pytest.mark.parametrize("width", [34, 60, 100])
def test_blocks_fit_the_width_and_lose_nothing(cards: list[Card], table: Table, width: int) -> None:
    blocks = matrix_text(make_matrix(cards, table), width).split("\n\n")[:-1]
    assert all(len(line) <= width for block in blocks for line in block.splitlines())
    assert sum(block.count("/5 ") for block in blocks) == len(cards)
    assert (len(blocks) > 4) == (width == 34)


def test_a_missing_cell_and_a_doubtful_one_are_marked(cards: list[Card], table: Table, make_card: Any) -> None:
    without = [card for card in cards if card["arguments"]["scheme"] != "steady" or "nets" not in card["name"]]
    without.append(make_card("shy", "knockoff_nets", [0.0, 0.0, -3.0], inconclusive=2))
    text = matrix_text(make_matrix(without, table))
    steady = [line for line in text.splitlines() if line.startswith("steady")]
    assert any("-" in line.split() for line in steady)
    assert "1/3? +2.0" in text
    assert "?: inconclusive in some seeds" in text


def test_any_study_may_be_a_table(make_card: Any) -> None:
    cards = [make_card("steady", "victim", [-1.0, -1.2], level=level) for level in (0.01, 0.1)]
    text = matrix_text(make_matrix(cards, Table(rows=("scheme",), columns="level", measure="log10_p")))
    assert text.splitlines()[0].split() == ["0.01", "0.1"]
    assert text.splitlines()[1].split()[:2] == ["steady", "-1.1"]
