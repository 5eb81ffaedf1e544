"""Margin-based watermark: wrong labels of natural inputs, held by the worst inputs around each of them too."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from stealproof.errors import InputError
from stealproof.measures.binomial import critical_matches, matches_p_value, trials_needed
from stealproof.ownership._trigger_sets import (
    check_amounts,
    distinct,
    join,
    legal,
    legal_range,
    secret_labels,
    turn,
    wrong_labels,
)
from stealproof.roles.dataset import Part
from stealproof.roles.ownership import Watermark
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.roles.trial import Examination, Trial
from stealproof.system import Source
from stealproof.training.settled import settled


@dataclass(frozen=True, kw_only=True)
class MarginWatermark(Watermark, TrainingDefense):
    """Hold some training rows back and teach wrong labels for them, against a projected gradient ascent.

    Before every step the triggers whose turn it is move to where the network is least sure of their wrong label, so
    that a margin grows around each of them, which a surrogate that imitates the network has to imitate as well. The
    same instance marks a new network or, with ``fit(start=...)``, one that exists already.
    """

    source = Source(
        authors="Kim, Lee, Lee, Son, Hwang",
        title="Margin-based Neural Network Watermarking",
        venue="ICML",
        year=2023,
        url="https://proceedings.mlr.press/v202/kim23o.html",
    )
    departure = (
        "a few triggers join each batch with full weight, where the authors' code joins 25 with a tenth of it; the"
        " ascent sees the network in evaluation mode, so that batch normalisation is not disturbed; the verdict is an"
        " exact test on the triggers that the suspect gets wrong, in place of an accuracy on all of them"
    )
    null = (
        "the suspect was made without knowledge of the trigger labels, which were drawn uniformly from the classes"
        " other than the true one"
    )
    caveat = (
        "the accuser chose the triggers and their labels, and who chooses labels after asking a model can accuse it;"
        " a commitment that is older than the suspect excludes that"
    )

    triggers: int = 100
    """Training rows that are held back as triggers; at least 1."""
    radius: float = 5 / 255
    """How far the ascent may move each feature, as a share of the legal range; 0 to 1."""
    ascents: int = 5
    """Steps of the ascent, each of ``radius / ascents``; at least 1."""
    per_hundred: float = 2.0
    """Triggers that join each 100 training rows; at least 0."""
    passes: float = 50.0
    """Least times that each trigger is shown, so that a short run learns it too; 0 for ``per_hundred`` alone."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Hold the triggers back from ``data``."""
        check_amounts(self.triggers, per_hundred=self.per_hundred, passes=self.passes, radius=self.radius)
        if self.ascents < 1:
            raise InputError(f"ascents must be at least 1, got {self.ascents}")
        if len(data) <= self.triggers:
            raise InputError(f"expected more training rows than the {self.triggers} triggers, got {len(data)}")
        order = torch.randperm(len(data), generator=run.generator)
        inputs = legal(data.x[order], *legal_range(run.domain, data.x))
        chosen = distinct(inputs, self.triggers, what="training inputs")
        true = data.labels[order[chosen]]
        labels = wrong_labels(true, run.classes, run.generator)
        self.book.update(inputs=inputs[chosen].numpy(), labels=labels.numpy(), true=true.numpy(), classes=run.classes)
        kept = torch.ones(len(data), dtype=torch.bool)
        kept[order[chosen]] = False
        return data.take(kept)

    def perturb(self, model: torch.nn.Module, batch: Part, run: TrainingRun) -> Part:
        """Join the triggers whose turn it is, where they are worst."""
        rows = turn(run, len(batch), per_hundred=self.per_hundred, passes=self.passes, triggers=self.triggers)
        if len(rows) == 0:
            return batch
        inputs = torch.from_numpy(self.book["inputs"])[rows].to(batch.x)
        labels = torch.from_numpy(self.book["labels"])[rows].to(batch.y.device)
        return join(batch, self._worst(model, inputs, labels, run, batch), labels, run.classes)

    def _worst(
        self, model: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor, run: TrainingRun, batch: Part
    ) -> torch.Tensor:
        low, high = legal_range(run.domain, batch.x)
        step = self.radius * (high - low) / self.ascents
        with settled(model):
            for _ in range(self.ascents):
                x = x.detach().requires_grad_()
                loss = functional.cross_entropy(model(x), labels, reduction="sum")
                (gradient,) = torch.autograd.grad(loss, x)
                x = legal(x.detach() + step * gradient.sign(), low, high).to(batch.x)
        return x

    def _examine(self, trial: Trial) -> Examination:
        labels, true = secret_labels(trial), secret_labels(trial, "true")
        answers = trial.ask(trial.secret("inputs")).predicted
        # Whoever ignores the labels matches a trigger by 1 / (classes - 1) when wrong about it, and never when right.
        wrong = int((answers != true).sum())
        matches = int(((answers == labels) & (labels != true)).sum())
        n, rate = len(labels), 1 / (trial.suspect.classes - 1)
        needed = trials_needed(rate, trial.level)
        return Examination(
            statistic=matches,
            p_value=matches_p_value(matches, wrong, rate) if wrong else 1.0,
            threshold=critical_matches(wrong, rate, trial.level) if wrong else 1,
            attainable=rate**n,
            needed="a task of at least 3 classes" if needed is None else f"at least {needed} triggers",
            effect=matches / n,
            reasons=(
                f"the suspect is wrong about {wrong} of {n} triggers and gives {matches} of these their label;"
                f" chance gives {wrong * rate:.3g}",
            ),
        )
