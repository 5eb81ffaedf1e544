"""The owner's own surrogates learn from blends, references from the rows themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stealproof.ownership import _ensemble
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.trial import Enrolment
from stealproof.training.trained import Trained


def test_surrogates_are_asked_blends_and_references_the_rows(
    digits: Dataset, digits_victim: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Part]] = []

    def remember(family: Any, parts: list[Part], **options: Any) -> list[torch.nn.Module]:
        seen.append(parts)
        return [torch.nn.Identity() for _ in parts]

    monkeypatch.setattr(_ensemble, "fit_many", remember)
    enrolment = Enrolment(model=digits_victim.model, data=digits, seed=3, progress=lambda what, share: None)
    _ensemble.extracted(enrolment, 2, share=0.5, progress=lambda share: None)
    _ensemble.independent(enrolment, 2, progress=lambda share: None)
    (blends, half), (rows, again) = seen
    assert (len(blends), len(half)) == (len(digits.train), round(0.5 * len(digits.train)))
    assert rows is again is digits.train
    assert digits.domain.low <= blends.x.min() <= blends.x.max() <= digits.domain.high
    known = {row.numpy().tobytes() for row in digits.train.x}
    assert not any(row.numpy().tobytes() in known for row in blends.x)
    # Soft targets, and the model's own.
    answers = digits_victim.oracle().ask(blends.x).scores
    torch.testing.assert_close(blends.y.double(), torch.as_tensor(answers).double(), rtol=0, atol=1e-6)
