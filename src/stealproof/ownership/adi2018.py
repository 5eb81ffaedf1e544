"""Adi et al.'s backdoor watermark: the network learns random labels of inputs that have nothing to do with its task."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch

from stealproof.errors import InputError
from stealproof.measures.binomial import critical_matches, matches_p_value, trials_needed
from stealproof.oracle import Domain
from stealproof.ownership._trigger_images import abstract_images, folder_images, noise
from stealproof.ownership._trigger_sets import (
    check_amounts,
    check_outnumbered,
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


@dataclass(frozen=True, kw_only=True)
class Adi2018(Watermark, TrainingDefense):
    """Join a few triggers to every batch of the training, from scratch or from a trained network.

    The same instance marks a new network (``train``, the paper's FROMSCRATCH) or one that exists already
    (``fit(start=...)``, the paper's PRETRAINED). Labels of the suspect are enough to verify.
    """

    source = Source(
        authors="Adi, Baum, Cisse, Pinkas, Keshet",
        title="Turning Your Weakness Into a Strength: Watermarking Deep Neural Networks by Backdooring",
        venue="USENIX Security",
        year=2018,
        url="https://arxiv.org/abs/1802.04633",
    )
    departure = (
        "abstract images are generated from the training seed, and labels are drawn anew even for images that the user"
        " gives, since the published ones are known to everybody; the verdict is an exact binomial test in place of a"
        " tolerated share of mismatches; the cryptographic commitment is left to whoever publishes the claim"
    )
    null = "the suspect was made without knowledge of the trigger labels, which were drawn uniformly from all classes"
    caveat = (
        "the accuser chose the triggers and their labels, and who chooses labels after asking a model can accuse it;"
        " a commitment that is older than the suspect, or derived triggers, exclude that"
    )

    triggers: int = 100
    """Inputs of the trigger set; at least 1."""
    images: str = "abstract"
    """``abstract``: smooth random patterns (noise where inputs are no images); ``noise``: uniform in the legal range;
    else a folder of PNG images, numbered in their names, which are resized to the model's inputs."""
    per_hundred: float = 2.0
    """Triggers that join each 100 training rows; at least 0."""
    passes: float = 100.0
    """Least times that each trigger is shown, so that a short run learns it too; 0 for ``per_hundred`` alone."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Make the trigger set."""
        check_amounts(self.triggers, per_hundred=self.per_hundred, passes=self.passes)
        check_outnumbered(self.triggers, len(data))
        low, high = legal_range(run.domain, data.x)
        inputs = legal(self._inputs(dataclasses.replace(run.domain, low=low, high=high), run.generator), low, high)
        inputs = inputs[distinct(inputs, self.triggers, what="trigger inputs")]
        labels = torch.randint(run.classes, (self.triggers,), generator=run.generator)
        self.book.update(inputs=inputs.numpy(), labels=labels.numpy(), classes=run.classes)
        return data

    def _inputs(self, domain: Domain, generator: torch.Generator) -> torch.Tensor:
        if self.images == "noise" or (self.images == "abstract" and len(domain.shape) != 3):
            return noise(self.triggers, domain, generator)
        if self.images == "abstract":
            return abstract_images(self.triggers, domain, generator)
        if not Path(self.images).is_dir():
            raise InputError(f"images must be abstract, noise, or a folder of PNG images, got {self.images!r}")
        return folder_images(Path(self.images), self.triggers, domain)

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """Join the triggers whose turn it is."""
        rows = turn(run, len(batch), per_hundred=self.per_hundred, passes=self.passes, triggers=self.triggers)
        inputs, labels = torch.from_numpy(self.book["inputs"]), torch.from_numpy(self.book["labels"])
        return join(batch, inputs[rows], labels[rows], run.classes)

    def _examine(self, trial: Trial) -> Examination:
        labels = secret_labels(trial)
        n, rate = len(labels), 1 / trial.suspect.classes
        matches = int((trial.ask(trial.secret("inputs")).predicted == labels).sum())
        return Examination(
            statistic=matches,
            p_value=matches_p_value(matches, n, rate),
            threshold=critical_matches(n, rate, trial.level),
            attainable=rate**n,
            needed=f"at least {trials_needed(rate, trial.level)} triggers",
            effect=matches / n,
            reasons=(f"the suspect gives {matches} of {n} triggers their label; chance gives {n * rate:.3g}",),
        )
