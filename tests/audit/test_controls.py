from __future__ import annotations

from collections.abc import Callable

import pytest

from stealproof.audit.controls import Control, Status, controls
from stealproof.audit.curves import Row
from stealproof.audit.verdict import judge
from stealproof.errors import UnknownName
from stealproof.inputs.oracle import parse_access

MakeRow = Callable[..., Row]


def by_name(rows: list[Row], access: str, declared: dict[str, str] | None = None) -> dict[str, Control]:
    verdict = judge(rows, access=access, price=0.0)
    return {control.name: control for control in controls(verdict, parse_access(access), declared)}


def thefts(make_row: MakeRow, fidelity: float, access: str) -> list[Row]:
    return [make_row(fidelity, seed=seed, access=access) for seed in range(3)]


def test_all_requirements_of_the_section_and_the_technique_are_there(make_row: MakeRow) -> None:
    found = by_name(thefts(make_row, 0.95, "labels"), "labels")
    assert {"11.3.1", "11.3.2", "11.3.3", "11.3.4", "AML.T0024.002"} <= set(found)
    assert [found[f"11.3.{i}"].level for i in (1, 2, 3, 4)] == [1, 2, 3, 3]


def test_what_no_measurement_speaks_about_is_not_assessed(make_row: MakeRow) -> None:
    found = by_name(thefts(make_row, 0.95, "labels"), "labels")
    for name in ("11.3.1", "11.3.3", "11.3.4", "AML.M0024"):
        assert found[name].status is Status.NOT_ASSESSED


@pytest.mark.parametrize(
    ("fidelity", "access", "status"),
    [
        (0.95, "probabilities", Status.GAP),
        (0.50, "logits", Status.GAP),
        (0.95, "labels", Status.GAP),
        (0.80, "labels", Status.NOT_ASSESSED),
        (0.50, "labels", Status.SUPPORTED),
        (0.50, "top-3:2", Status.SUPPORTED),
    ],
)
def test_output_calibration_follows_from_what_clients_see_and_what_thieves_got(
    make_row: MakeRow, fidelity: float, access: str, status: Status
) -> None:
    assert by_name(thefts(make_row, fidelity, access), access)["11.3.2"].status is status


@pytest.mark.parametrize(
    ("fidelity", "status"),
    [(0.95, Status.DEMONSTRATED), (0.5, Status.NOT_ACHIEVED), (0.76, Status.NOT_ASSESSED)],
)
def test_the_technique_was_carried_out_or_not(make_row: MakeRow, fidelity: float, status: Status) -> None:
    found = by_name(thefts(make_row, fidelity, "labels"), "labels")["AML.T0024.002"]
    assert found.status is status
    assert f"{100 * fidelity:.1f}%" in found.why


def test_a_declaration_is_repeated_but_is_no_measurement(make_row: MakeRow) -> None:
    rows = thefts(make_row, 0.95, "probabilities")
    found = by_name(rows, "probabilities", {"11.3.1": "PRADA at the gateway", "11.3.2": "we think so"})
    assert found["11.3.1"].status is Status.DECLARED
    assert "PRADA at the gateway" in found["11.3.1"].why
    assert found["11.3.2"].status is Status.GAP
    assert "we think so" in found["11.3.2"].why


def test_nothing_measured_assesses_nothing() -> None:
    assert {control.status for control in by_name([], "labels").values()} == {Status.NOT_ASSESSED}


def test_an_unknown_control_is_refused(make_row: MakeRow) -> None:
    with pytest.raises(UnknownName, match=r"no control is named '11\.3\.9'"):
        by_name(thefts(make_row, 0.95, "labels"), "labels", {"11.3.9": "yes"})
