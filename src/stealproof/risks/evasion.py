"""Evasion: how many test rows are still classified correctly after projected gradient descent with restarts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from stealproof import seeds
from stealproof.errors import InputError
from stealproof.measures.intervals import proportion
from stealproof.risks._margins import hard_margin, soft_margin
from stealproof.risks._pgd import descend
from stealproof.risks._target import Target, at_least, layers_seeded, target
from stealproof.roles.dataset import Dataset
from stealproof.roles.risk import Measurement, Risk
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class Evasion(Risk):
    """The attacker sees the network and may change every value of an input by at most ``radius``.

    A row counts as robust when it is classified correctly and no restart moves it to another class. That is an upper
    bound of the true robust accuracy: a network may hide its gradients, see ``evasion_ensemble``.
    """

    source = Source(
        authors="Madry, Makelov, Schmidt, Tsipras, Vladu",
        title="Towards Deep Learning Models Resistant to Adversarial Attacks",
        venue="ICLR",
        year=2018,
        url="https://arxiv.org/abs/1706.06083",
    )
    departure = (
        "climbs the log-odds of a wrong class, whose signed gradient is that of the cross-entropy without its"
        " cancellation in float32; rows that have fallen are not attacked again"
    )
    measures: ClassVar[Mapping[str, str]] = {
        "accuracy": "share of the rows that are classified correctly as they are",
        "robust_accuracy": "share of the rows that are classified correctly as they are and after every restart",
    }
    headline = "robust_accuracy"
    worse: ClassVar[Literal["higher", "lower"]] = "lower"

    radius: float = 8 / 255
    """Largest change of a value, as a share of the width of the legal range; above 0, at most 1."""
    steps: int = 50
    """Gradient steps of one restart; at least 1."""
    step: float = 0.0
    """Length of a step, as a share of the width of the legal range, at most 1; 0 means 2.5 * radius / steps."""
    restarts: int = 5
    """Random points of the ball from which the steps start, one after the other; at least 1."""
    loss: Literal["cross_entropy", "margin"] = "cross_entropy"
    """What the steps climb. The margin is the largest other logit less that of the true class (Carlini & Wagner 2017);
    it finds more in a network that is unsure, as adversarially trained ones are."""
    precision: Literal["auto", "float32"] = "auto"
    """Of the gradients: auto takes bfloat16 where the hardware has it, which halves the time of a pass; whether a row
    fell is decided in the network's own precision."""
    rows: int = 1000
    """Rows of the test part, drawn by the seed; all when there are fewer."""

    def measure(self, model: Any, data: Dataset, *, seed: int = 0) -> Measurement:
        """Attack ``model``, a network or a ``Trained`` one, on rows of ``data.test``.

        Raises:
            InputError: a parameter out of range, no network, answers without gradients, or inputs without bounds.
            InvalidData: rows or labels that do not fit the network.
        """
        for name in ("steps", "restarts"):
            at_least(self.name(), name, getattr(self, name), 1)
        if not 0 <= self.step <= 1:
            raise InputError(f"step must lie between 0 and 1, where 0 means 2.5 * radius / steps, got {self.step:g}")
        with layers_seeded(seed, self.name()):
            how: dict[str, Any] = {"radius": self.radius, "rows": self.rows, "rounded": self.precision == "auto"}
            goal = target(model, data, seed=seed, who=self.name(), **how)
            if goal.correct and not goal.network.differentiable(goal.x[:1]):
                raise InputError(
                    "evasion follows gradients, but the network's answers have none; use evasion_ensemble, whose"
                    " square attack needs none"
                )
            standing, fell = self._attack(goal, seed)
        return Measurement(
            estimates={
                "accuracy": proportion(goal.correct, goal.rows),
                "robust_accuracy": proportion(standing, goal.rows),
            },
            details={**goal.details(), "fell": fell},
        )

    def _attack(self, goal: Target, seed: int) -> tuple[int, list[int]]:
        """How many rows stand after all restarts, and how many fell in each."""
        step = 2.5 * goal.radius / self.steps if self.step == 0 else self.step * goal.radius / self.radius
        loss = soft_margin if self.loss == "cross_entropy" else hard_margin
        left, fell = goal.everyone(), []
        for restart in range(self.restarts):
            if len(left) == 0:
                break
            # Drawn for all rows, so that a row's starting points do not depend on which others have fallen.
            generator = seeds.generator(seed, self.name(), "start", restart)
            noise = 2 * torch.rand(goal.x.shape, generator=generator, dtype=goal.x.dtype) - 1
            x, y, ball = goal.take(left)
            start = x + goal.radius * noise.to(x.device)[left]
            _, stands = descend(goal.network, start, y, ball, loss=loss, steps=self.steps, step=step)
            fell.append(int((~stands).sum()))
            left = left[stands]
        return len(left), fell
