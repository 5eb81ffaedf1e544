"""Majority thief: answers every input with the class that the victim named most often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from stealproof.roles.extraction import Extraction, Theft
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class MajorityThief(Extraction):
    """The smallest attack that can be written: a baseline that every other one must beat."""

    source = Source(authors="nobody", title="The majority baseline", venue="folklore", year=1950, url="")
    confidence: float = 5.0
    """Logit of the majority class; the others get 0."""

    def _extract(self, theft: Theft) -> torch.nn.Module:
        answers = theft.ask(theft.oracle.domain.uniform(theft.budget, theft.rng("inputs")))
        counts = np.bincount(answers.predicted, minlength=theft.oracle.classes)
        bias = torch.zeros(theft.oracle.classes)
        bias[int(counts.argmax())] = self.confidence
        head = torch.nn.Linear(int(np.prod(theft.oracle.domain.shape)), theft.oracle.classes)
        with torch.no_grad():
            head.weight.zero_()
            head.bias.copy_(bias)
        return torch.nn.Sequential(torch.nn.Flatten(), head)
