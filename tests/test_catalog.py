from __future__ import annotations

import pytest

from stealproof import catalog
from stealproof.errors import UnknownName


def test_an_entry_knows_its_source_without_importing_it() -> None:
    entry = catalog.find("knockoff_nets")
    assert entry.source["year"] == 2019
    assert entry.class_name == "KnockoffNets"
    assert entry.roles == ("extraction",)


def test_dashes_read_as_underscores() -> None:
    assert catalog.find("knockoff-nets") is catalog.find("knockoff_nets")


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match=r"no extraction is named 'knockof'; did you mean 'knockoff_nets'\?"):
        catalog.find("knockof", "extraction")


def test_an_unknown_role_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match=r"no role is named 'extractions'; did you mean 'extraction'\?"):
        catalog.find("knockoff_nets", "extractions")


def test_a_name_that_resembles_nothing_lists_the_choices() -> None:
    with pytest.raises(UnknownName, match=r"expected one of: .*lenet"):
        catalog.find("qqqqqqqq", "model")


def test_a_system_is_made_with_its_parameters() -> None:
    assert catalog.make("mlp", "model", width=7).width == 7
