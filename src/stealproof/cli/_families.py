"""Which family a model is of: what verbs go by when nobody names one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stealproof import catalog

if TYPE_CHECKING:
    from stealproof.roles.architecture import NetworkFamily
    from stealproof.roles.dataset import Dataset


def family_of(card: Mapping[str, Any], data: Dataset) -> NetworkFamily:
    """The network family that a model's card names, else the one that suits ``data``."""
    from stealproof.roles.architecture import NetworkFamily
    from stealproof.training.suited import suited_network

    named = card.get("family") or {}
    if named.get("name") in catalog.names("model"):
        parameters = {key: tuple(v) if isinstance(v, list) else v for key, v in named["parameters"].items()}
        family = catalog.make(named["name"], "model", **parameters)
        if isinstance(family, NetworkFamily):
            return family
    return suited_network(data.domain.shape, data.classes)
