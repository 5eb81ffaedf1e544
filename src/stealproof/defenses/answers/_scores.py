"""What the guards that coarsen scores have in common."""

from __future__ import annotations

from stealproof.errors import AccessDenied
from stealproof.oracle import Access, Answer

CLASSIFIER = frozenset({Answer.LABELS, Answer.TOP_K, Answer.PROBABILITIES, Answer.LOGITS})
"""Kinds of answers that a classifier gives."""


def check_classifier(guard: str, access: Access) -> None:
    """Raise ``AccessDenied`` unless ``access`` is that of a classifier."""
    if access.answer not in CLASSIFIER:
        raise AccessDenied(f"{guard} hardens a classifier's answers, not {access}; leave it out")
