"""Zest: the distance of two models is the distance of their local explanations, whatever their architectures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import EvidenceError, InputError, InvalidData
from stealproof.oracle import Access, Answer, Answers
from stealproof.ownership._asked_inputs import answers, finished, starting_rows
from stealproof.ownership._ensemble import independent
from stealproof.ownership._label_agreement import NULL
from stealproof.ownership._local_models import MASKS, Questions, blocks, cosine_distance, hidden
from stealproof.roles.dataset import Dataset
from stealproof.roles.ownership import Fingerprint
from stealproof.roles.trial import Enrolment, Examination, Trial
from stealproof.system import Source

QUESTIONS = ("inputs", "segments", "keep", "fill")
"""The secrets of which questions are made."""
READINGS = ("probabilities", "labels")
"""What is explained: the probabilities or, for suspects that give none, the labels."""
TRAINING = 0.5
"""Share of the enrolment that goes by until the references are trained, for the progress display."""


@dataclass(frozen=True, kw_only=True)
class Zest(Fingerprint):
    """Fit a linear model of each reference input's segments to the suspect's answers, and compare all weights.

    Segments of the reference inputs are hidden at random, least squares explain the answers by what was shown, and the
    weights of all inputs together are the model's signature. The statistic is minus the cosine distance to the claimed
    model's signature, in units of the mean distance of two independent models: above -1 is closer than those are.
    """

    source = Source(
        authors="Jia, Chen, Guan, Shamsabadi, Papernot",
        title="A Zest of LIME: Towards Architecture-Independent Model Distances",
        venue="ICLR",
        year=2022,
        url="https://openreview.net/forum?id=OUz_9TiTv9j",
    )
    departure = (
        "segments are blocks of a grid instead of quickshift's, the same for all inputs, so that no image library is"
        " needed; 100 masks an input instead of 1,000, which costs a tenth of the queries and is many times the 16"
        " segments; the unit is the mean over all pairs of a few references instead of separate pairs; classes are not"
        " matched, since the suspect must have as many"
    )
    null = NULL
    exact = False
    caveat = (
        "the unit of the distance is the accuser's own, so that only control models, never the published threshold,"
        " can tell how close is close"
    )
    published_threshold = -1.0

    count: int = 128
    """Reference inputs, drawn from the owner's training data; at least 1."""
    masks: int = 100
    """Questions for each reference input, the unmasked input included; 2 to 10,000. The paper's 1,000 ask ten times as
    much, 128,000 queries a suspect."""
    grid: int = 4
    """Blocks along each side of an image, 7x7 pixels each at 28x28; a flat input has ``grid`` squared runs of columns.
    At least 2."""
    references: int = 5
    """Independent models that the owner trains to learn how far two of them lie apart; at least 2."""

    def _enroll(self, enrolment: Enrolment) -> Mapping[str, Any]:
        self._check_parameters()
        data = enrolment.data
        rows = starting_rows(data.train, self.count, enrolment.rng("rows"), who=self.name())
        x = finished(data.train.x[torch.as_tensor(rows)], data.domain)
        segments = blocks(data.domain.shape, self.grid)
        keep = enrolment.rng("masks").integers(0, 2, size=(len(x), self.masks, int(segments.max()) + 1), dtype=np.uint8)
        keep[:, 0] = 1
        asked: dict[str, Any] = {
            "inputs": x,
            "segments": segments,
            "keep": keep,
            "fill": hidden(x, segments, data.domain),
        }
        references = independent(
            enrolment,
            self.references,
            progress=lambda done: enrolment.progress("training references", TRAINING * done),
        )
        models = [enrolment.model, *references]
        found = []
        for number, model in enumerate(models):
            enrolment.progress("explaining models", TRAINING + (1 - TRAINING) * number / len(models))
            found.append(_signatures(Questions(**asked), model, data))
        secrets: dict[str, Any] = dict(asked)
        for place, kind in enumerate(READINGS):
            mine, *others = (each[place] for each in found)
            distances = [cosine_distance(*pair) for pair in itertools.combinations(others, 2)]
            secrets |= {f"signature_{kind}": mine, f"unit_{kind}": float(np.mean(distances))}
        return secrets

    def _check_parameters(self) -> None:
        for name, least in (("count", 1), ("masks", 2), ("grid", 2), ("references", 2)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.masks > MASKS:
            raise InputError(f"masks must be at most {MASKS:,}, got {self.masks:,}")

    def _examine(self, trial: Trial) -> Examination:
        # A suspect that gives labels only is held against the labels of the claimed model, like against like.
        suspect = trial.suspect
        kind = "labels" if suspect.access.answer is Answer.LABELS else "probabilities"
        mine, unit = trial.secret(f"signature_{kind}"), float(trial.secret(f"unit_{kind}"))
        questions = Questions(**{name: trial.secret(name) for name in QUESTIONS})
        questions.check()
        if not unit > 0:
            raise EvidenceError(f"the claim's unit of distance must be above 0, got {unit:g}")
        (theirs,) = questions.explain(trial.ask, (_reading(kind, suspect.classes, suspect.access),))
        if theirs.shape != mine.shape:
            raise InvalidData(
                f"the claimed model has a signature of {len(mine)} weights, the suspect one of {len(theirs)}; expected"
                " models of equally many classes"
            )
        ratio = cosine_distance(mine, theirs) / unit
        words = f"its distance to the claimed model is {ratio:.2f} times that of two independent models"
        return Examination(statistic=-ratio, effect=1 - ratio, reasons=(words,))


def _signatures(questions: Questions, model: torch.nn.Module, data: Dataset) -> list[NDArray[np.float64]]:
    """The signature of one of the owner's models under every reading."""
    return questions.explain(
        lambda x: answers(model, x, data.domain, data.classes),
        tuple(_reading(kind, data.classes, Access()) for kind in READINGS),
    )


def _reading(kind: str, classes: int, access: Access) -> Callable[[Answers], NDArray[np.float64]]:
    """From answers to what is explained, ``(n, classes)``."""
    if kind == "labels":
        return lambda given: np.eye(classes)[given.predicted]
    return lambda given: given.distributions(classes, access)
