"""Systems with parameters, in one line of text: ``fine_tuning(layers=last)+weight_pruning(share=0.5)``."""

from __future__ import annotations

import json
import re
from typing import Any

from stealproof.errors import InputError

PART = re.compile(r"\s*(?P<name>[A-Za-z_][\w-]*)\s*(\((?P<inside>[^()]*)\))?\s*")

Named = tuple[str, dict[str, Any]]
"""A catalog name and constructor parameters."""


def parse_systems(text: str) -> list[Named]:
    """The systems in ``text``, joined by ``+``, each a name with optional parameters in parentheses.

    A value is JSON where it reads as JSON, else text; lists are not allowed, since commas part the parameters.

    Raises:
        InputError: anything else.
    """
    found: list[Named] = []
    for piece in text.split("+"):
        match = PART.fullmatch(piece)
        if match is None:
            raise InputError(f"expected name or name(key=value, ...), joined by +, got {text!r}")
        found.append((match["name"].replace("-", "_"), _parameters(match["inside"] or "", text)))
    return found


def _parameters(inside: str, text: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for pair in filter(None, (piece.strip() for piece in inside.split(","))):
        key, separator, value = pair.partition("=")
        if not separator or not key.strip() or key.strip() in parameters:
            raise InputError(f"expected key=value, each key once, got {pair!r} in {text!r}")
        try:
            parameters[key.strip()] = json.loads(value)
        except ValueError:
            parameters[key.strip()] = value.strip()
    return parameters
