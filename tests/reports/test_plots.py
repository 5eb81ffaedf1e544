from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from stealproof.reports._svg import Scale, log_ticks, look, short, tag, text
from stealproof.reports.plots import fidelity_panel, gap_plot, main_picture, ruler

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / "assets" / "audit.json").read_text(encoding="utf-8"))
    return loaded


def test_every_measured_point_is_drawn_and_told(document: dict[str, Any]) -> None:
    for access in document["settings"]["accesses"]:
        root = ElementTree.fromstring(fidelity_panel(document, access))
        titles = [element.text or "" for element in root.iter("title")]
        for curve in document["curves"]:
            for point in curve["points"] if curve["access"] == access else ():
                wanted = f"{curve['attack'].replace('_', ' ')}, {access}, {point['queries']:,.0f} queries:"
                assert any(title.startswith(wanted) for title in titles)


def test_the_picture_stands_alone(document: dict[str, Any]) -> None:
    picture = main_picture(document)
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    assert "prefers-color-scheme: dark" in picture
    used = set(re.findall(r"var\(--(\w+)\)", picture))
    defined = set(re.findall(r"--(\w+):", picture))
    assert used <= defined
    assert not re.search(r"href|url\(", picture)


def test_points_lie_inside_the_frame(document: dict[str, Any]) -> None:
    changed = copy.deepcopy(document)
    changed["curves"][0]["points"][0]["fidelity"] |= {"value": 0.01, "low": 0.0, "high": 0.05}
    changed["curves"][0]["points"][-1]["queries"] = 250_000
    for panel in (fidelity_panel(document, "labels"), fidelity_panel(changed, changed["curves"][0]["access"])):
        root = ElementTree.fromstring(panel)
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        for circle in root.iter("circle"):
            assert 0 <= float(circle.attrib["cx"]) <= width
            assert 0 <= float(circle.attrib["cy"]) <= height


def test_a_single_point_and_no_point_can_be_drawn(document: dict[str, Any]) -> None:
    changed = copy.deepcopy(document)
    for curve in changed["curves"]:
        curve["points"] = curve["points"][-1:]
    changed["reference"] = changed["reference"][-1:]
    ElementTree.fromstring(main_picture(changed))
    changed["curves"] = []
    ElementTree.fromstring(main_picture(changed))
    ElementTree.fromstring(fidelity_panel(changed, "labels"))


def test_gaps_and_rulers_say_their_numbers() -> None:
    difference = {"value": 0.021, "low": -0.004, "high": 0.046}
    gaps: list[dict[str, Any]] = [{"budget": 100, "difference": difference}, {"budget": None, "difference": difference}]
    assert "100 queries: +2.1 points (-0.4 to +4.6)" in gap_plot(gaps)
    drawn = ruler({"value": 0.93, "low": 0.9, "high": 0.95}, (0.75, 0.9))
    assert "Fidelity 93.0% (90.0 to 95.0)" in drawn
    ElementTree.fromstring(drawn)
    ElementTree.fromstring(ruler({"value": 0.1, "low": 0.0, "high": 0.2}, (0.75, 0.9)))


def test_text_is_escaped() -> None:
    assert tag("g", text("<&>", 0, 0), id='"') == '<g id="&quot;"><text x="0" y="0">&lt;&amp;&gt;</text></g>'


def test_scales_and_ticks() -> None:
    scale = Scale(low=10, high=1000, start=0, end=100, log=True)
    assert scale(100) == pytest.approx(50)
    assert scale(1) == 0
    assert scale(10_000) == 100
    assert log_ticks(15, 520) == [20, 50, 100, 200, 500]
    assert log_ticks(30, 35) == [30, 35]
    assert [short(n) for n in (17, 449, 2000, 10_000, 1_500_000)] == ["17", "449", "2k", "10k", "1.5M"]


def test_the_first_curves_look_different() -> None:
    assert len({look(number) for number in range(20)}) == 20
