"""TRADES: beside the usual loss, punish answers that change within a ball around the training rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import functional

from stealproof.defenses.training._worst_nearby import (
    check_shares,
    check_steps,
    movable,
    worst_rows,
)
from stealproof.errors import InputError
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingDefense, TrainingRun
from stealproof.system import Source
from stealproof.training.settled import settled


@dataclass(frozen=True, kw_only=True)
class Trades(TrainingDefense):
    """Add ``beta`` times the divergence of the answers from those to the worst inputs nearby (algorithm 1).

    The usual loss stays that of the unchanged inputs, so that ``beta`` trades accuracy for robustness. What protections
    have joined to the batch, in whatever order they are named, is left out of the term unless ``joined_radius`` gives
    it a ball of its own.
    """

    source = Source(
        authors="Zhang, Yu, Jiao, Xing, El Ghaoui, Jordan",
        title="Theoretically Principled Trade-off between Robustness and Accuracy",
        venue="ICML",
        year=2019,
        url="https://arxiv.org/abs/1901.08573",
    )
    departure = (
        "the search starts at a random point of the ball, as in PGD training, in place of a small Gaussian step, and"
        " 7 steps long where the paper's are 10 or 40; columns that only take listed values stay as they are"
    )
    protects_from: ClassVar[tuple[str, ...]] = ("evasion",)

    radius: float = 8 / 255
    """Largest change of a value, as a share of the width of the legal range; above 0, at most 1."""
    steps: int = 7
    """Gradient steps to each input; 1 to 1000."""
    step: float = 0.0
    """Length of a step, as a share of that width, at most 1; 0 means 2.5 * radius / steps."""
    beta: float = 6.0
    """Weight of the divergence (1 / lambda in the paper); at least 0."""
    joined_radius: float = 0.0
    """Radius for the rows that protections joined to a batch; 0 leaves them out of the term."""

    def prepare(self, data: Part, run: TrainingRun) -> Part:
        """Check the parameters; the data stay as they are.

        Raises:
            InputError: a parameter out of range, or inputs without bounds.
        """
        check_shares(self.name(), run.domain, radius=self.radius, joined_radius=self.joined_radius, step=self.step)
        check_steps(self.name(), self.steps)
        if not 0 <= self.beta < math.inf:
            raise InputError(f"beta of {self.name()} must be finite and at least 0, got {self.beta:g}")
        return data

    def penalty(
        self, model: torch.nn.Module, batch: Part, logits: torch.Tensor, run: TrainingRun
    ) -> torch.Tensor | None:
        """``beta`` times the mean Kullback-Leibler divergence, ``()``."""
        rows = movable(batch, run, self.joined_radius)
        if len(rows) == 0:
            return None
        clean = functional.log_softmax(logits[: len(rows)], dim=1)
        target = _settled_answers(model, rows, clean.detach(), run)
        x = worst_rows(
            model,
            rows,
            run,
            radius=self.radius,
            joined_radius=self.joined_radius,
            step=self.step,
            steps=self.steps,
            loss=lambda made: _divergence(target, made, reduction="sum"),
        )
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=run.bfloat16):
            worst = model(x)
        return self.beta * _divergence(clean, worst.to(clean.dtype), reduction="batchmean")


def _divergence(logs: torch.Tensor, logits: torch.Tensor, *, reduction: str) -> torch.Tensor:
    """Of the answers ``logits`` from the distributions whose logarithms are ``logs``, both ``(n, classes)``."""
    return functional.kl_div(functional.log_softmax(logits, dim=1), logs, reduction=reduction, log_target=True)


def _settled_answers(model: torch.nn.Module, rows: Part, logs: torch.Tensor, run: TrainingRun) -> torch.Tensor:
    """Log-probabilities of the unchanged rows in evaluation mode, in which the search goes on.

    The forward pass of the training step is reused where the mode makes no difference.
    """
    if not any(isinstance(module, _DIFFERENT) and module.training for module in model.modules()):
        return logs
    with settled(model, bfloat16=run.bfloat16), torch.no_grad():
        return functional.log_softmax(model(rows.x).to(logs.dtype), dim=1)


_DIFFERENT = (torch.nn.modules.batchnorm._NormBase, torch.nn.modules.dropout._DropoutNd)
"""Layers that work otherwise in training."""
