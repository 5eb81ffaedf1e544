"""Asking a suspect the claimed inputs and counting on how many it answers as the claimed model does."""

from __future__ import annotations

from stealproof.errors import EvidenceError
from stealproof.roles.trial import Examination, Trial

NULL = "the suspect was made without the claimed model and its answers, like the control models"


def label_agreement(trial: Trial) -> Examination:
    """The share of ``inputs`` that the suspect gives their ``labels``; only control models can tell what is much."""
    inputs, labels = trial.secret("inputs"), trial.secret("labels")
    if labels.shape != (len(inputs),):
        raise EvidenceError(f"expected one label for each of the claim's {len(inputs)} inputs, got {labels.shape}")
    matches = int((trial.ask(inputs).predicted == labels).sum())
    share = matches / len(labels)
    words = f"it agrees with the claimed model on {matches} of {len(labels)} inputs"
    return Examination(statistic=share, effect=share, reasons=(words,))
