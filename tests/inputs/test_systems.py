from __future__ import annotations

import pytest

from stealproof.errors import InputError
from stealproof.inputs.systems import parse_systems


def test_names_with_and_without_parameters() -> None:
    assert parse_systems("victim") == [("victim", {})]
    assert parse_systems("fine-tuning(layers=last, epochs=2.5, fresh_head=true) + weight_pruning()") == [
        ("fine_tuning", {"layers": "last", "epochs": 2.5, "fresh_head": True}),
        ("weight_pruning", {}),
    ]


@pytest.mark.parametrize("text", ["", "a+", "a(b", "a(b=1))", "a(1)", "a(=1)", "a(b=1,b=2)", "1a", "a(b=(1))"])
def test_anything_else_is_refused_with_the_text(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        parse_systems(text)
