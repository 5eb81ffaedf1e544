"""Forged trigger sets: what a false claim under each scheme of inputs and labels holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.attacks.false_claims._craft import Craft
from stealproof.errors import InputError
from stealproof.ownership._derived_book import pool_book
from stealproof.ownership.conferrable import Conferrable
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.ownership.entangled_watermarks import EntangledWatermarks
from stealproof.ownership.ipguard import Ipguard
from stealproof.ownership.margin_watermark import MarginWatermark


def forged_triggers(craft: Craft, *, targeted: bool) -> dict[str, Any]:
    """The secrets of a claim with wrong labels: drawn ones (``targeted``), or whichever come easiest."""
    scheme = craft.framing.scheme
    if isinstance(scheme, EntangledWatermarks):
        return _one_class_for_another(craft, scheme)
    if isinstance(scheme, DerivedTriggers):
        return _derived_labels(craft, scheme)
    start = craft.start()
    if targeted:
        labels = craft.wrong(start.y)
        x = craft.move(start.x, labels, towards=True)
    else:
        x = craft.move(start.x, start.y, towards=False)
        labels = craft.consensus(x, but=start.y)
    chosen = craft.best(x, labels, craft.triggers)
    secrets = {"inputs": x[chosen], "labels": _integers(labels[chosen]), "classes": craft.framing.classes}
    # What else a claim under these schemes says of its inputs.
    if isinstance(scheme, MarginWatermark):
        return secrets | {"true": _integers(start.y[chosen])}
    if isinstance(scheme, Conferrable):
        return secrets | {"candidates": len(x), "conferrable": len(chosen)}
    if isinstance(scheme, Ipguard):
        return secrets | {"arrived": len(chosen)}
    return secrets


def _one_class_for_another(craft: Craft, scheme: EntangledWatermarks) -> dict[str, Any]:
    """Images of one class that are taken for one other: the pair that the networks confuse most, unless it is given."""
    start = craft.start()
    source, target = _confused(craft, start.x, start.y, scheme)
    rows = start.y == source
    natural = start.x[rows]
    labels = torch.full((len(natural),), target)
    x = craft.move(natural, labels, towards=True)
    chosen = craft.best(x, labels, craft.triggers)
    domain = craft.framing.domain
    unmarked = np.clip(natural[chosen].numpy().astype(np.float32), np.float32(domain.low), np.float32(domain.high))
    return {
        "inputs": x[chosen],
        "unmarked": unmarked,
        "labels": _integers(labels[chosen]),
        "classes": craft.framing.classes,
    }


def _confused(craft: Craft, x: torch.Tensor, y: torch.Tensor, scheme: EntangledWatermarks) -> tuple[int, int]:
    """The class to start from and the one to be taken for."""
    classes = craft.framing.classes
    shown = craft.probabilities(x)
    mean = torch.full((classes, classes), -1.0, dtype=shown.dtype)
    for label in y.unique().tolist():
        mean[label] = shown[y == label].mean(dim=0)
    mean.fill_diagonal_(-1.0)
    for given, axis in ((scheme.source_class, 0), (scheme.target_class, 1)):
        if given is not None:
            others = torch.arange(classes) != given
            mean.index_fill_(axis, others.nonzero()[:, 0], -1.0)
    if float(mean.max()) < 0:
        raise InputError(f"the accuser has no image of class {scheme.source_class} to start from; choose another class")
    place = int(mean.argmax())
    return place // classes, place % classes


def _derived_labels(craft: Craft, scheme: DerivedTriggers) -> dict[str, Any]:
    """A pool of crafted inputs under a fresh commitment: all that is left to choose, since the labels are derived."""
    start = craft.start()
    pool = craft.move(start.x, craft.wrong(start.y), towards=True)
    rng = craft.framing.rng("commitment")
    named = {name: getattr(scheme, name) or rng.bytes(32).hex() for name in ("commitment", "beacon")}
    book, _ = pool_book(named, min(craft.triggers, len(pool)), pool, craft.framing.classes)
    return book


def _integers(labels: torch.Tensor) -> NDArray[np.int64]:
    return labels.cpu().numpy().astype(np.int64)
