"""Disputes: claims that the owner holds already, put before models that the owner suspects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stealproof.audit._words import in_words
from stealproof.claims import Decision

VERBS = {
    Decision.OWNED: "is yours by",
    Decision.NOT_OWNED: "is not shown to be yours by",
    Decision.INCONCLUSIVE: "can't be judged by",
}


def with_disputes(ownership: Mapping[str, Any], disputes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The section on ownership with the verdicts of ``disputes``; their findings come first, being about real models.

    ``disputes`` are verdicts in JSON types with the names of ``suspect`` and ``claim``, as `stealproof verify --json`
    prints them.
    """
    sentences = [_sentence(dispute) for dispute in disputes]
    return {
        **ownership,
        "disputes": [{**dispute, "doubt": _doubt(dispute)} for dispute in disputes],
        "findings": [*sentences, *ownership["findings"]],
    }


def _sentence(dispute: Mapping[str, Any]) -> str:
    found = f"{dispute['suspect']} {VERBS[Decision(dispute['decision'])]} {dispute['claim']}"
    numbers = f"{in_words(dispute['scheme'])}, p = {dispute['p_value']:.3g} at the level {dispute['level']:g}"
    doubt = _doubt(dispute)
    return f"{found} ({numbers}){f': {doubt}' if doubt else ''}."


def _doubt(dispute: Mapping[str, Any]) -> str:
    """Why nothing can be said; empty when something is."""
    return str(dispute["reasons"][-1]) if dispute["decision"] == Decision.INCONCLUSIVE else ""
