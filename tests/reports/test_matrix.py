from __future__ import annotations

from typing import Any

import pytest

from stealproof.errors import InputError
from stealproof.reports.matrix import (
    INNOCENT,
    OWN,
    STOLEN,
    WASHED,
    group_of,
    make_matrix,
    suspect_in_words,
)
from stealproof.studies.table import Table

Card = dict[str, Any]


def test_rows_are_schemes_and_columns_are_suspects_by_kind(cards: list[Card], table: Table) -> None:
    matrix = make_matrix(list(reversed(cards)), table)
    assert {row.name for row in matrix.rows} == {"steady", "brittle", "hasty"}
    assert matrix.groups == (OWN, STOLEN, WASHED, INNOCENT)
    assert [len(matrix.numbers(group)) for group in matrix.groups] == [1, 2, 2, 2]
    assert matrix.level == 0.01
    for row in matrix.rows:
        for column, entry in zip(matrix.columns, row.entries, strict=True):
            assert entry is not None
            assert entry.card["arguments"]["suspect"] == column.value
            assert entry.card["arguments"]["scheme"] == row.name
            assert len(entry.spread) == 5


def test_schemes_of_one_name_are_told_apart_by_what_differs(make_card: Any, table: Table) -> None:
    parameters = {"triggers": 100, "classes": 10}
    variants = [
        make_card("dawn", "victim", [-9.0, -9.0], scheme_parameters=parameters),
        make_card("dawn", "victim", [-9.0, -9.0], scheme_parameters=parameters | {"triggers": 20}),
        make_card("dawn", "victim", [-9.0, -9.0], scheme_parameters=parameters, at="answers"),
        make_card("adi2018", "victim", [-9.0, -9.0], scheme_parameters={"triggers": 7}),
    ]
    labels = [row.label for row in make_matrix(variants, table).rows]
    assert labels == ["dawn, triggers 100", "dawn, triggers 20", "dawn, triggers 100, at answers", "adi2018"]


def test_kinds_of_suspects_and_their_words() -> None:
    assert group_of("victim") == OWN
    assert group_of("knockoff_nets(budget=5000)") == STOLEN
    assert group_of("weight_noise+weight_pruning") == WASHED
    assert group_of("independent_other_half") == INNOCENT
    assert suspect_in_words("independent_other_half") == "other half"
    assert suspect_in_words("knockoff_nets(budget=50,access=labels)") == "knockoff nets (budget 50, access labels)"


def test_nothing_measured_is_told(table: Table) -> None:
    with pytest.raises(InputError, match="no card has the measure 'detected'; run the study first"):
        make_matrix([], table)
