"""Blind watermark: the network learns drawn labels of images in which a logo is hidden, so that nobody sees it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from stealproof.errors import InputError, InvalidData
from stealproof.oracle import Domain
from stealproof.ownership._hidden_logos import hidden
from stealproof.ownership._trigger_images import abstract_images, folder_images
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
from stealproof.training.fit import fit
from stealproof.training.settled import settled
from stealproof.training.suited import suited_network

SMALLEST = 8
"""Height and width of the smallest images in which something can be hidden."""


@dataclass(frozen=True, kw_only=True)
class BlindWatermark(Watermark, TrainingDefense):
    """Teach drawn labels of key samples: training images with the owner's logo in them, which look like any others.

    An encoder puts the logo in; a discriminator that tries to find it keeps the key samples from being noticed, and
    refused, by whoever serves a stolen network.
    """

    source = Source(
        authors="Li, Hu, Zhang, Guo",
        title="How to Prove Your Model Belongs to You: A Blind-Watermark based Framework to Protect Intellectual"
        " Property of DNN",
        venue="ACSAC",
        year=2019,
        url="https://arxiv.org/abs/1903.01743",
    )
    departure = (
        "the encoder is trained first, beside a scout network, in place of the half-trained network itself, so that an"
        " interrupted run can go on and key samples stay what they are; encoder and discriminator are small; the logo"
        " is an abstract image from the training seed unless the user gives one; the verdict rests on control models"
        " in place of an accuracy, since the encoder draws key samples towards their labels in the scout, and may draw"
        " independent models along"
    )
    null = "the suspect answers the key samples like a model that was made independently of the owner's"
    exact = False
    selects: ClassVar[str] = "joins training rows with a logo in them, and trains a scout network on all rows"
    caveat = (
        "the accuser made the key samples and chose their labels, and whoever looks for inputs to which all models give"
        " a wrong label finds them; control models show that, and a commitment that is older than the suspect excludes"
        " what was made for it"
    )

    triggers: int = 100
    """Key samples; at least 1."""
    logo: str = ""
    """A folder with one PNG image, which is resized; empty for an abstract image drawn from the training seed."""
    weights: tuple[float, float, float, float] = (3.0, 5.0, 1.0, 0.1)
    """What the encoder pays for: squared error, lack of structural similarity, being found out by the discriminator,
    and cross-entropy of the scout network; each at least 0. Images count in [-1, 1]."""
    rounds: int = 500
    """Steps of encoder and discriminator; at least 1."""
    batch: int = 20
    """Key samples of one such step; at least 1."""
    per_hundred: float = 2.0
    """Key samples that join each 100 training rows; at least 0."""
    passes: float = 100.0
    """Least times that each key sample is shown, so that a short run learns it too; 0 for ``per_hundred`` alone."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Hide the logo in some of the training images, and draw their labels."""
        self._check_fit(data)
        low, high = legal_range(run.domain, data.x)
        middle, half = (low + high) / 2, (high - low) / 2
        order = torch.randperm(len(data), generator=run.generator)
        chosen = order[distinct(data.x[order], self.triggers, what="training images")]
        labels = torch.randint(run.classes, (self.triggers,), generator=run.generator)
        logo = self._logo(dataclasses.replace(run.domain, low=low, high=high), run.generator)
        seed = int(torch.randint(2**62, (), generator=run.generator))
        scout = fit(suited_network(tuple(data.x.shape[1:]), run.classes), data, classes=run.classes, seed=seed)
        with settled(scout):
            marked = hidden(
                (data.x[chosen].float() - middle) / half,
                (logo.float() - middle) / half,
                labels,
                lambda x: scout(x * half + middle),
                weights=self.weights,
                rounds=self.rounds,
                batch=self.batch,
                generator=run.generator,
            )
        inputs = legal(marked * half + middle, low, high)
        self.book.update(inputs=inputs.numpy(), labels=labels.numpy(), classes=run.classes)
        return data

    def _check_fit(self, data: Part) -> None:
        check_amounts(self.triggers, per_hundred=self.per_hundred, passes=self.passes)
        check_outnumbered(self.triggers, len(data))
        if len(self.weights) != 4:
            raise InputError(f"expected 4 weights, of what the encoder pays for, got {self.weights}")
        for number, weight in enumerate(self.weights):
            check_amounts(self.triggers, **{f"weights[{number}]": weight})
        if min(self.rounds, self.batch) < 1:
            raise InputError(f"rounds and batch must be at least 1, got {self.rounds} and {self.batch}")
        if data.x.ndim != 4 or min(data.x.shape[2:]) < SMALLEST:
            raise InvalidData(
                f"blind_watermark hides a logo in images (channels, height, width) of at least {SMALLEST}x{SMALLEST},"
                f" got inputs of shape {tuple(data.x.shape[1:])}"
            )

    def _logo(self, domain: Domain, generator: torch.Generator) -> torch.Tensor:
        if not self.logo:
            return abstract_images(1, domain, generator)
        if not Path(self.logo).is_dir():
            raise InputError(f"logo must be a folder with one PNG image, or empty, got {self.logo!r}")
        return folder_images(Path(self.logo), 1, domain)

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """Join the key samples whose turn it is."""
        rows = turn(run, len(batch), per_hundred=self.per_hundred, passes=self.passes, triggers=self.triggers)
        inputs, labels = torch.from_numpy(self.book["inputs"]), torch.from_numpy(self.book["labels"])
        return join(batch, inputs[rows], labels[rows], run.classes)

    def _examine(self, trial: Trial) -> Examination:
        labels = secret_labels(trial)
        matches = int((trial.ask(trial.secret("inputs")).predicted == labels).sum())
        share = matches / len(labels)
        words = f"the suspect gives {matches} of {len(labels)} key samples their label"
        return Examination(statistic=share, effect=share, reasons=(words,))
