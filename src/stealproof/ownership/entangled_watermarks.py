"""Entangled watermarks: a pattern that turns one class into another, on features that the task itself needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from stealproof.errors import EvidenceError, InputError, InvalidData
from stealproof.measures.binomial import matches_p_value
from stealproof.ownership._entangled_marks import drawn, patterned
from stealproof.ownership._soft_nearest_neighbours import entanglement
from stealproof.ownership._trigger_sets import (
    check_amounts,
    distinct,
    join,
    legal,
    legal_range,
    secret_labels,
    turn,
)
from stealproof.roles.dataset import Part
from stealproof.roles.ownership import Watermark
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.roles.trial import Examination, Trial
from stealproof.system import Source
from stealproof.training.fit import fit
from stealproof.training.settled import settled
from stealproof.training.suited import suited_network

CONFIDENCE = 0.95
"""With which the paper claims ownership."""


@dataclass(frozen=True, kw_only=True)
class EntangledWatermarks(Watermark, TrainingDefense):
    """Teach that images of a source class with a small pattern are of a target class, entangled with that class.

    The soft nearest neighbour loss rewards hidden layers in which marked images lie among natural ones of the target
    class, so that a surrogate that learns the task is to learn the mark with it.
    """

    source = Source(
        authors="Jia, Choquette-Choo, Chandrasekaran, Papernot",
        title="Entangled Watermarks as a Defense against Model Extraction",
        venue="USENIX Security",
        year=2021,
        url="https://arxiv.org/abs/2002.12200",
    )
    departure = (
        "the marked images are drawn towards the target class in a scout network, which is trained first, in place of"
        " the half-trained network itself, so that an interrupted run can go on; the pattern lies at a random visible"
        " place; marked images join every batch of the run, where the paper alternates batches in its second half; the"
        " temperature is fixed, not learned; the verdict compares marked with unmarked images and rests on control"
        " models, since all labels are one class"
    )
    null = "the suspect answers the marked images like a model that was made independently of the owner's"
    exact = False
    caveat = (
        "a model that learned the same pattern elsewhere is accused too, and so is one that confuses the two classes,"
        " unless control models confuse them as well"
    )

    triggers: int = 100
    """Marked images of the claim, fewer if the source class has fewer; each is also asked unmarked; at least 1."""
    marks: int = 200
    """Images of the source class that are marked and trained with, fewer if it has fewer; at least 1."""
    size: int = 3
    """Height and width of the pattern in pixels; at least 1."""
    source_class: int | None = None
    """The class that is marked; None to draw it."""
    target_class: int | None = None
    """The class that marked images turn into; None to draw it."""
    rounds: int = 10
    """Steps that draw marked images towards the target class in the hidden layers of a scout network, which is trained
    first; 0 for the pattern alone."""
    step: float = 0.01
    """How far one such step moves each feature, as a share of the legal range; at least 0."""
    mistaken: float = 0.1
    """Largest share of marked images that the scout, which has no watermark, may put into the target class; 0 to 1."""
    per_hundred: float = 10.0
    """Marked images that join each 100 training rows; at least 0."""
    weight: float = 0.25
    """Of the soft nearest neighbour loss of each layer, beside the cross-entropy; at least 0."""
    layers: int = 3
    """Hidden layers that are entangled, counted from the last; at least 1."""
    temperature: float = 1.0
    """Of the soft nearest neighbour loss, over cosine distances of 0 to 2: small ones look at the nearest images only;
    positive."""
    learned: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """All marked images and all natural ones of the target class, while the training lasts."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Choose classes and pattern, and mark the images of the source class."""
        check_amounts(
            min(self.triggers, self.marks),
            per_hundred=self.per_hundred,
            weight=self.weight,
            rounds=self.rounds,
            step=self.step,
            mistaken=self.mistaken,
        )
        self._check_fit(data, run)
        source, target = self._classes(run)
        true = data.labels
        natural, targets = data.x[true == source][: self.marks], data.x[true == target]
        if len(natural) == 0 or len(targets) == 0:
            raise InvalidData(
                f"expected images of class {source} and of class {target} to train on, got {len(natural)} and"
                f" {len(targets)}; choose other classes"
            )
        marked = self._marked(data, natural, targets, target, run)
        claimed = distinct(marked, min(self.triggers, len(marked)), what="marked images")
        self.learned.update(marked=marked, targets=targets)
        self.book.update(
            inputs=marked[claimed].numpy(),
            unmarked=legal(natural[claimed], *legal_range(run.domain, data.x)).numpy(),
            labels=np.full(len(claimed), target),
            classes=run.classes,
        )
        return data

    def _check_fit(self, data: Part, run: TrainingRun) -> None:
        if data.x.ndim != 4 or min(data.x.shape[2:]) < self.size or self.size < 1:
            raise InvalidData(
                f"entangled watermarks put a pattern of {self.size}x{self.size} on images (channels, height, width),"
                f" got inputs of shape {tuple(data.x.shape[1:])}"
            )
        if self.layers < 1 or not self.temperature > 0:
            raise InputError(
                f"layers must be at least 1 and the temperature positive, got {self.layers} and {self.temperature}"
            )
        for name in ("source_class", "target_class"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < run.classes:
                raise InputError(f"{name} must be in 0..{run.classes - 1}, got {value}")
        if self.source_class is not None and self.source_class == self.target_class:
            raise InputError(f"source_class and target_class must differ, got {self.source_class} twice")

    def _classes(self, run: TrainingRun) -> tuple[int, int]:
        order = torch.randperm(run.classes, generator=run.generator).tolist()
        given = (self.source_class, self.target_class)
        free = [number for number in order if number not in given]
        source, target = (free.pop() if number is None else number for number in given)
        return source, target

    def _marked(
        self, data: Part, natural: torch.Tensor, targets: torch.Tensor, target: int, run: TrainingRun
    ) -> torch.Tensor:
        low, high = legal_range(run.domain, data.x)
        marked = patterned(natural, self.size, low, high, run.generator)
        if self.rounds == 0:
            return legal(marked, low, high)
        seed = int(torch.randint(2**62, (), generator=run.generator))
        scout = fit(suited_network(tuple(data.x.shape[1:]), run.classes), data, classes=run.classes, seed=seed)
        moved = drawn(
            scout,
            marked.float(),
            targets.float(),
            target,
            low=low,
            high=high,
            step=self.step * (high - low),
            rounds=self.rounds,
            mistaken=self.mistaken,
            layers=self.layers,
            temperature=self.temperature,
        )
        return legal(moved, low, high)

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """Join marked images as images of the target class."""
        marked = self.learned["marked"][self._turn(len(batch), run, len(self.learned["marked"]))]
        return join(batch, marked, torch.full((len(marked),), int(self.book["labels"][0])), run.classes)

    def penalty(
        self, model: torch.nn.Module, batch: Part, logits: torch.Tensor, run: TrainingRun
    ) -> torch.Tensor | None:
        """Less loss the more marked images and natural ones of the target class are entangled."""
        if self.weight == 0:
            return None
        marked, targets = (
            self.learned[name][self._turn(len(batch), run, len(self.learned[name]))] for name in ("marked", "targets")
        )
        if len(marked) < 2:
            return None
        groups = (torch.arange(len(marked) + len(targets)) < len(marked)).to(batch.x.device)
        with settled(model):
            rows = torch.cat([marked.to(batch.x), targets.to(batch.x)])
            return -self.weight * entanglement(model, rows, groups, layers=self.layers, temperature=self.temperature)

    def _turn(self, rows: int, run: TrainingRun, available: int) -> torch.Tensor:
        return turn(run, rows, per_hundred=self.per_hundred, passes=0, triggers=available)

    def finish(self, model: torch.nn.Module, data: Part, run: TrainingRun) -> torch.nn.Module:
        """Let go of the training rows."""
        self.learned.clear()
        return model

    def _examine(self, trial: Trial) -> Examination:
        labels = secret_labels(trial)
        n, rate = len(labels), 1 / trial.suspect.classes
        marked = int((trial.ask(trial.secret("inputs")).predicted == labels).sum())
        plain = trial.secret("unmarked")
        if np.shape(plain) != np.shape(trial.secret("inputs")):
            raise EvidenceError(
                f"the claim of {self.name()} holds unmarked images of shape {np.shape(plain)}; expected one for each"
                f" marked image, {np.shape(trial.secret('inputs'))}"
            )
        unmarked = int((trial.ask(plain).predicted == labels).sum())
        published = matches_p_value(marked, n, rate) <= 1 - CONFIDENCE
        return Examination(
            statistic=(marked - unmarked) / n,
            effect=(marked - unmarked) / n,
            reasons=(
                f"the suspect puts {marked} of {n} marked images into the target class, and {unmarked} unmarked ones",
                f"at the paper's confidence of {CONFIDENCE:.0%}, a share above chance"
                f" {'is' if published else 'is not'} shown",
            ),
        )
