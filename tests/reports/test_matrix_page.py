from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from stealproof.errors import InputError
from stealproof.measures.intervals import proportion
from stealproof.reports.matrix_page import matrix_page
from stealproof.studies.study import Study
from stealproof.studies.table import Table

Card = dict[str, Any]
Read = Callable[[str], Any]


@pytest.fixture
def study(table: Table) -> Study:
    return Study(
        name="ownership", title="Schemes <b>against</b> suspects", experiment="dispute", combinations=(), table=table
    )


def places(html: str) -> list[tuple[str, str, str]]:
    """Tone, word and count of every place of the heat map, in reading order."""
    pattern = r'<td class="place (\w+)[^>]*>\s*<b>(\w+)</b> <span class="count">([^<]+)</span>'
    return re.findall(pattern, html)


def test_the_words_say_what_happened(study: Study, cards: list[Card]) -> None:
    found = places(matrix_page(study, cards))
    assert found[:7] == [("good", "held", "5/5")] * 5 + [("good", "clear", "0/5")] * 2
    assert found[7:9] == [("good", "held", "5/5"), ("bad", "lost", "0/5")]
    assert found[20] == ("bad", "accused", "5/5")


def test_some_seeds_and_no_answer_have_words_of_their_own(study: Study, make_card: Any) -> None:
    cards = [
        make_card("steady", "victim", [-9.0, -0.1, -9.0]),
        make_card("steady", "weight_noise", [0.0, 0.0, 0.0], inconclusive=3),
        make_card("steady", "fine_pruning", [0.0, 0.0, -0.1], inconclusive=1),
        make_card("steady", "independent_other_half", [-9.0, -0.1, -0.1]),
    ]
    expected = [("warn", "partly", "2/3"), ("none", "unsure", "0/3"), ("bad", "lost", "0/3"), ("warn", "rarely", "1/3")]
    assert places(matrix_page(study, cards)) == expected


def test_an_innocent_is_called_accused_when_the_level_does_not_allow_that_many(study: Study, make_card: Any) -> None:
    cards = []
    for scheme, accused in (("steady", 0), ("lucky", 4), ("hasty", 25)):
        card = make_card(scheme, "independents(count=40)", [-2.5] * 5)
        card["measures"]["detected"] = proportion(accused, 200).as_dict()
        cards.append(card)
    html = matrix_page(study, cards)
    assert places(html) == [("good", "clear", "0/200"), ("warn", "rarely", "4/200"), ("bad", "accused", "25/200")]
    assert re.search(r'class="place bad[^>]*--right: 0%', html), "three accused in a hundred must not look green"
    # The smallest of forty p-values is no evidence against anybody, so it is no dot.
    assert "<circle" not in html


def test_the_price_stands_in_the_row(study: Study, cards: list[Card], read: Read) -> None:
    text = " ".join("".join(read(matrix_page(study, cards)).text).split())
    assert text.count("0.6 points of accuracy (0.4 to 0.8)") == 3


def test_every_p_value_is_a_dot_beside_the_level(study: Study, cards: list[Card]) -> None:
    html = matrix_page(study, cards)
    articles = re.findall(r"<article.*?</article>", html, re.DOTALL)
    assert len(articles) == 3
    dots = [[article.count(f"dot-{kind}") for kind in ("right", "silent", "wrong")] for article in articles]
    assert dots == [[25, 10, 0], [10, 25, 0], [25, 5, 5]]
    assert all("called a copy: p at most 0.01" in article for article in articles)


def test_a_card_without_its_seeds_has_no_dots_but_a_place(study: Study, cards: list[Card], read: Read) -> None:
    for card in cards:
        del card["by_seed"]
    html = matrix_page(study, cards)
    assert len(places(html)) == 21
    assert "<circle" not in html
    read(html)


def test_a_scheme_of_the_catalog_is_explained(study: Study, make_card: Any) -> None:
    html = matrix_page(study, [make_card("derived_triggers", "victim", [-9.0, -9.0])])
    assert "exact p-value" in html
    assert "beacon" in html


def test_it_loads_nothing_is_well_formed_and_reads_without_eyes(study: Study, cards: list[Card], read: Read) -> None:
    html = matrix_page(study, cards)
    reader = read(html)
    assert len(reader.ids) == len(set(reader.ids))
    for tag, attributes in reader.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "img")
        assert not {"src", "srcset", "data", "action"} & set(attributes)
        if tag == "a" and (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in reader.ids
        if tag == "svg" and attributes.get("aria-hidden") != "true":
            assert attributes["aria-label"]
    assert not re.search(r"url\(|@import", html)
    assert "<b>against" not in html


def test_only_a_table_of_suspects_is_drawn(study: Study, cards: list[Card]) -> None:
    with pytest.raises(InputError, match="has no table of suspects to draw"):
        matrix_page(Study(name="other", title="", experiment="theft", combinations=()), cards)
    with pytest.raises(InputError, match="run the study first"):
        matrix_page(study, [])
