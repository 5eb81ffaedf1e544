"""Conferrable adversarial examples: inputs that fool a model and its surrogates alike, and no other model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from stealproof.errors import InputError
from stealproof.ownership._asked_inputs import Box, answers, finished, precision, starting_rows, width
from stealproof.ownership._ensemble import extracted, independent, mean_probabilities, share_answering
from stealproof.ownership._label_agreement import NULL, label_agreement
from stealproof.roles.ownership import Fingerprint
from stealproof.roles.trial import Enrolment, Examination, Trial
from stealproof.system import Source

TRAINING = 0.25
"""Share of the enrolment, for the progress display, that either half of the ensemble takes to train."""


@dataclass(frozen=True, kw_only=True)
class Conferrable(Fingerprint):
    """Train surrogates and references of one's own model, and move inputs to where only the former follow it.

    An input is conferrable for a class when surrogates give it that class and references don't: the share of the former
    that do, times the share of the latter that don't (section 4). Inputs are moved until the best class of softmax(S (1
    - R)), with S and R the mean probabilities of both kinds, is a clear one; the model is driven from its first answer,
    and surrogates are drawn to the model's. Those that are conferrable for the model's answer are the fingerprint,
    where networks decide that had no part in moving them: whatever was moved with few networks fits just these.
    """

    source = Source(
        authors="Lukas, Zhang, Kerschbaum",
        title="Deep Neural Network Fingerprinting by Conferrable Adversarial Examples",
        venue="ICLR",
        year=2021,
        url="https://arxiv.org/abs/1912.00888",
    )
    departure = (
        "the three terms of the loss weigh 5, 0.1 and 1 instead of 1 each, and inputs move by up to 0.1 instead of"
        " 0.025: with the paper's weights none of 400 FashionMNIST inputs became conferrable; surrogates learn the"
        " model's answers to blends of two training inputs, since its answers to the inputs themselves are hardly more"
        " than the labels from which references learn; every second network of the ensemble learns from half of the"
        " rows, since an innocent model has not seen the owner's; 4 networks of each kind instead of 18, for their"
        " cost, and 4 further ones that choose among the moved inputs, by a conferrability of 0.5 instead of 0.95"
    )
    null = NULL
    exact = False
    caveat = (
        "adversarial examples that transfer to any model forge such a claim; hold it against control models that have"
        " seen the same kind of data"
    )
    published_threshold = 0.75

    surrogates: int = 4
    """Networks that the owner extracts from the model; at least 1."""
    references: int = 4
    """Networks that the owner trains without the model; at least 1."""
    held_out: int = 4
    """Further networks of either kind, which have no part in moving the inputs and choose among them; with 0, those
    choose that moved them, as in the paper."""
    share: float = 0.5
    """Share of the owner's rows that every second network of either kind learns from; above 0, at most 1."""
    candidates: int = 400
    """Training inputs that are moved; at least ``least``."""
    count: int = 100
    """Most inputs of the fingerprint; the clearest are taken."""
    least: int = 10
    """Fewest inputs of a fingerprint; with fewer conferrable ones, enrolment fails. At least 1."""
    epsilon: float = 0.1
    """Largest change of a value, as a share of the domain's width; above 0."""
    iterations: int = 300
    """Steps of Adam; at least 1."""
    learning_rate: float = 5e-4
    """Adam's rate, as a share of the domain's width; above 0."""
    dropout: float = 0.3
    """Chance that a network of the ensemble is left out of a step; at least 0, below 1."""
    alpha: float = 5.0
    """Weight of conferrability in the loss; 0 or more."""
    beta: float = 0.1
    """Weight of leaving the model's first answer; 0 or more."""
    gamma: float = 1.0
    """Weight of surrogates answering as the model does; 0 or more."""
    conferrability: float = 0.5
    """Least conferrability of an input that is kept, among the networks that choose; above 0, at most 1."""

    def _enroll(self, enrolment: Enrolment) -> Mapping[str, Any]:
        self._check_parameters()
        data, tell = enrolment.data, enrolment.progress
        rows = torch.as_tensor(starting_rows(data.train, self.candidates, enrolment.rng("rows"), who=self.name()))
        surrogates = extracted(
            enrolment,
            self.surrogates + self.held_out,
            share=self.share,
            progress=lambda done: tell("extracting surrogates", TRAINING * done),
        )
        references = independent(
            enrolment,
            self.references + self.held_out,
            share=self.share,
            progress=lambda done: tell("training references", TRAINING + TRAINING * done),
        )
        device, dtype = precision(enrolment.model)
        start = data.train.x[rows].to(device=device, dtype=dtype)
        moving = (surrogates[: self.surrogates], references[: self.references])
        inputs = finished(self._move(enrolment, start, *moving), data.domain)
        labels = answers(enrolment.model, inputs, data.domain, data.classes).predicted
        x, wanted = torch.as_tensor(inputs, device=device, dtype=dtype), torch.as_tensor(labels, device=device)
        # Networks that did not move the inputs, where there are any.
        copies, others = (surrogates[self.surrogates :] or surrogates, references[self.references :] or references)
        copied, met = share_answering(copies, x, wanted), share_answering(others, x, wanted)
        passed = np.flatnonzero((copied * (1 - met) >= self.conferrability).cpu().numpy())
        if len(passed) < self.least:
            raise InputError(
                f"only {len(passed)} of {self.candidates} inputs became conferrable, expected at least {self.least};"
                " raise epsilon, iterations or candidates, or lower conferrability"
            )
        with torch.inference_mode():
            clear = mean_probabilities(copies, x) * (1 - mean_probabilities(others, x))
            clearness = clear.gather(1, wanted[:, None])[:, 0].cpu().numpy()
        best = passed[np.argsort(-clearness[passed], kind="stable")[: self.count]]
        return {
            "inputs": inputs[best],
            "labels": labels[best],
            "candidates": self.candidates,
            "conferrable": len(passed),
        }

    def _check_parameters(self) -> None:
        for name, least in (("surrogates", 1), ("references", 1), ("held_out", 0), ("least", 1), ("iterations", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("candidates", "count"):
            if getattr(self, name) < self.least:
                raise InputError(f"{name} must be at least {self.least} (least), got {getattr(self, name)}")
        for name in ("share", "conferrability"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}")
        if not (self.epsilon > 0 and self.learning_rate > 0):
            raise InputError(f"expected epsilon and learning_rate above 0, got {self.epsilon} and {self.learning_rate}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if not min(self.alpha, self.beta, self.gamma) >= 0:
            raise InputError(f"alpha, beta and gamma must be 0 or more, got {self.alpha}, {self.beta}, {self.gamma}")

    def _move(
        self,
        enrolment: Enrolment,
        start: torch.Tensor,
        surrogates: Sequence[torch.nn.Module],
        references: Sequence[torch.nn.Module],
    ) -> torch.Tensor:
        """The inputs after ``iterations`` steps of Adam, each step ending within ``epsilon`` of the start."""
        model, domain = enrolment.model.eval(), enrolment.data.domain
        box = Box(start, domain, self.epsilon * width(domain))
        with torch.no_grad():
            first = model(start).softmax(dim=1)
        x = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([x], lr=self.learning_rate * width(domain))
        generator = enrolment.generator("dropout")
        for step in range(self.iterations):
            followed = mean_probabilities(self._present(surrogates, generator), x)
            conferred = followed * (1 - mean_probabilities(self._present(references, generator), x))
            now = model(x).log_softmax(dim=1)
            # Cross-entropies: of a sure ensemble, of the first answer (with a minus), of the surrogates to the model.
            loss = -self.alpha * conferred.log_softmax(dim=1).amax(dim=1)
            loss = loss + self.beta * (first * now).sum(dim=1)
            loss = loss - self.gamma * (now.exp() * followed.clamp(min=1e-12).log()).sum(dim=1)
            # A sum, so that no input's steps depend on how many others there are.
            x.grad = torch.autograd.grad(loss.sum(), x)[0]
            optimizer.step()
            with torch.no_grad():
                x.copy_(box.nearest(x))
            enrolment.progress("moving inputs", 2 * TRAINING + (1 - 2 * TRAINING) * (step + 1) / self.iterations)
        return x.detach()

    def _present(self, models: Sequence[torch.nn.Module], generator: torch.Generator) -> list[torch.nn.Module]:
        """The networks that a step asks; at least one."""
        drawn = torch.rand(len(models), generator=generator)
        chosen = [model for model, chance in zip(models, drawn.tolist(), strict=True) if chance >= self.dropout]
        return chosen or [models[int(drawn.argmax())]]

    def _examine(self, trial: Trial) -> Examination:
        return label_agreement(trial)
