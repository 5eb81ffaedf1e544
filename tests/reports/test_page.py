"""The page is rendered from ``assets/audit.json``, which this command made, with its third-party paths untouched:

stealproof audit --seeds 2 --attack knockoff_nets --attack t_rnd --attack jacobian_augmentation --budget 30 --budget 120
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stealproof.reports.page import page

Read = Callable[[str], Any]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / "assets" / "audit.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def html(document: dict[str, Any]) -> str:
    return page(document)


def test_the_verdict_comes_first_with_its_number_and_interval(html: str, document: dict[str, Any]) -> None:
    assert document["verdict"]["headline"] in html
    fidelity = (document["verdict"]["first"] or document["verdict"]["best"])["fidelity"]
    assert f"{100 * fidelity['value']:.1f}%" in html
    assert html.index('class="hero') < html.index('id="q2"') < html.index('id="reading"') < html.index('id="method"')


def test_it_loads_nothing(html: str, read: Read) -> None:
    loading = {"src", "srcset", "data", "poster", "action", "formaction", "background"}
    for tag, attributes in read(html).tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "img")
        assert not loading & set(attributes)
        if "href" in attributes:
            assert tag == "a"
    assert "@import" not in html
    assert not re.search(r"url\(", html)
    assert len(html) < 1_000_000


def test_it_is_well_formed_and_its_links_lead_somewhere(html: str, read: Read) -> None:
    reader = read(html)
    assert len(reader.ids) == len(set(reader.ids))
    for tag, attributes in reader.tags:
        target = attributes.get("href") or ""
        if tag == "a" and target.startswith("#"):
            assert target[1:] in reader.ids


def test_readers_who_see_nothing_get_it_in_words(html: str, read: Read) -> None:
    reader = read(html)
    assert ("html", {"lang": "en"}) in reader.tags
    for tag, attributes in reader.tags:
        if tag == "svg" and attributes.get("aria-hidden") != "true":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]


def test_questions_without_an_answer_say_so(html: str, read: Read) -> None:
    text = " ".join("".join(read(html).text).split())
    assert text.count("not measured yet") == 3
    assert "Not measured by this version" in text
    for question in ("What can be done?", "Does the proof hold?", "Do the defenses get along?"):
        assert question in text


def test_what_a_caller_names_is_no_markup(document: dict[str, Any], read: Read) -> None:
    hostile = copy.deepcopy(document)
    hostile["target"]["name"] = '<script>alert("&")</script>'
    hostile["curves"][0]["attack"] = "<b>bold"
    html = page(hostile)
    assert "<script" not in html
    assert "<b>" not in html
    read(html)


@pytest.mark.parametrize(
    "changes",
    [
        {"curves": [], "gaps": [], "reference": [], "verdict": {"first": None, "best": None, "level": "not measured"}},
        {"target": {"accuracy": None, "constant": None}, "reference": []},
        {"settings": {"price_per_query": 0}},
        {"gaps": []},
        {"plan": {"left_out": [], "failed": []}},
        {"verdict": {"advice": [], "findings": []}},
    ],
)
def test_it_can_do_without(document: dict[str, Any], changes: dict[str, Any], read: Read) -> None:
    changed = copy.deepcopy(document)
    for key, value in changes.items():
        changed[key] = changed[key] | value if isinstance(value, dict) else value
    read(page(changed))


def test_ownership_schemes_have_a_section_when_some_were_tried(document: dict[str, Any], read: Read) -> None:
    estimate = {"value": 1.0, "low": 0.29, "high": 1.0, "level": 0.95, "n": 3, "method": "clopper-pearson"}
    place = {
        "suspect": "knockoff nets",
        "innocent": False,
        "tone": "good",
        "word": "held",
        "detected": estimate,
        "count": "3/3",
        "interval": "29 to 100%",
        "accuracy_loss": estimate | {"value": 0.021},
        "inconclusive": 0.0,
        "log10_p": [-9.0, -9.0, -9.0],
    }
    price = estimate | {"value": 0.004, "low": -0.001, "high": 0.009}
    changed = copy.deepcopy(document)
    changed["questions"][2] |= {"answered": True, "text": "it would"}
    changed["ownership"] = {
        "level": 0.01,
        "suspects": [{"name": "knockoff_nets", "label": "knockoff nets", "kind": "extraction"}] * 2,
        "schemes": [{"name": "our_marks", "summary": "Marks.", "price": price, "places": [place, None]}],
        "findings": ["Our marks would hold."],
        "left_out": [{"schemes": ["other_marks"], "why": "needs control models"}],
    }
    reader = read(page(changed))
    text = " ".join("".join(reader.text).split())
    assert "q3" in reader.ids
    assert "held 3/3 29 to 100%; it is -2.1 points from yours" in text
    assert "0.4 -0.1 to 0.9" in text
    assert "Our marks would hold." in text
    assert "other marks needs control models" in text
    assert text.count("not measured yet") == 2


def test_false_claims_have_a_section_when_some_were_rehearsed(document: dict[str, Any], read: Read) -> None:
    estimate = {"value": 0.95, "low": 0.86, "high": 0.99, "level": 0.95, "n": 60, "method": "clopper-pearson"}
    changed = copy.deepcopy(document)
    changed["framing"] = {
        "level": 0.05,
        "innocents": 20,
        "schemes": [
            {"name": "our_marks", "own": estimate, "framed": estimate, "framed_before_judge": estimate | {"value": 0}}
        ],
        "findings": ["Our marks can be forged."],
        "left_out": [{"schemes": ["other_marks"], "why": "failed: no disk"}],
    }
    reader = read(page(changed))
    text = " ".join("".join(reader.text).split())
    assert "q4" in reader.ids
    assert "one false accusation in 20" in text
    assert "95.0% 86.0 to 99.0" in text
    assert "Our marks can be forged." in text
    assert "false claims under other marks failed: no disk" in text


def test_thefts_that_gave_no_copy_are_listed(document: dict[str, Any]) -> None:
    changed = copy.deepcopy(document)
    changed["plan"]["failed"] = [
        {"attack": "path_finding", "access": "labels", "reason": "the leaves ran out", "budgets": [30, 120], "cells": 4}
    ]
    assert "the leaves ran out" in page(changed)
