"""Forged secrets: for each kind of scheme the claim that a liar can make."""

from __future__ import annotations

from typing import Any

from stealproof.attacks.false_claims._craft import Craft
from stealproof.attacks.false_claims._forged_data import forged_members, forged_radioactivity
from stealproof.attacks.false_claims._forged_triggers import forged_triggers
from stealproof.ownership.dataset_inference import DatasetInference
from stealproof.ownership.radioactive_data import RadioactiveData


def forged_secrets(craft: Craft, *, targeted: bool) -> dict[str, Any]:
    """The secrets of a claim to ``craft.own`` that all networks of the craft are made to bear out."""
    scheme = craft.framing.scheme
    if isinstance(scheme, DatasetInference):
        return forged_members(craft, scheme)
    if isinstance(scheme, RadioactiveData):
        return forged_radioactivity(craft, scheme)
    return forged_triggers(craft, targeted=targeted)
