"""Evasion by an ensemble: Auto-PGD on two losses and the gradient-free square attack; a row must stand them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from stealproof import seeds
from stealproof.measures.intervals import proportion
from stealproof.risks._apgd import climb
from stealproof.risks._attacked import Loss
from stealproof.risks._margins import ratio_of_differences, ratio_to_target, soft_margin
from stealproof.risks._square import search
from stealproof.risks._target import Target, at_least, layers_seeded, target
from stealproof.roles.dataset import Dataset
from stealproof.roles.risk import Measurement, Risk
from stealproof.system import Source

MANY = 0.02
"""Share of the rows; where more fall to the square attack alone, the gradients can't be trusted."""
MASKED = (
    "gradients are masked: {alone} of {rows} rows fell to the square attack alone, which needs no gradients, and"
    " {flat} have no gradient as they are; robust accuracies by gradients (evasion) are too high for this network"
)

Member = Callable[[Target, torch.Tensor, torch.Generator], torch.Tensor]
"""From the target and numbers of its rows ``(m,)`` to which of these still stand, ``(m,)`` bool."""


@dataclass(frozen=True, kw_only=True)
class EvasionEnsemble(Risk):
    """An attack without knobs to turn: nothing in it is tuned to a network, and one member needs no gradients.

    The members attack one after the other, as in the paper, what those before left standing. Cost on a network that
    stands: ``steps`` passes to and fro for each of ``1 + targets`` ascents, then ``queries`` passes forward, a row.
    """

    source = Source(
        authors="Croce, Hein",
        title="Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks",
        venue="ICML",
        year=2020,
        url="https://arxiv.org/abs/2003.01690",
    )
    departure = (
        "without FAB, which seldom decides a row in the paper's tables; APGD climbs the log-odds of a wrong class,"
        " which ranks inputs as the cross-entropy does but is not cut off in float32; the square attack keeps"
        " proposals that change nothing, and moves random columns where inputs are no images; with 3 classes the"
        " ratio loss is untargeted, with 2 it is left out, since it has the log-odds' sign"
    )
    measures: ClassVar[Mapping[str, str]] = {
        "accuracy": "share of the rows that are classified correctly as they are",
        "robust_accuracy": "share of the rows that are classified correctly as they are and after every member",
        "after_apgd_ce": "what Auto-PGD on the cross-entropy leaves",
        "after_apgd_dlr": "what is left after also Auto-PGD on the difference-of-logits ratio towards other classes",
        "after_square": "what is left after also the square attack",
        "alone_apgd_ce": "what Auto-PGD on the cross-entropy leaves by itself",
        "alone_apgd_dlr": "what Auto-PGD on the difference-of-logits ratio leaves by itself",
        "alone_square": "what the square attack leaves by itself",
    }
    headline = "robust_accuracy"
    worse: ClassVar[Literal["higher", "lower"]] = "lower"

    radius: float = 8 / 255
    """Largest change of a value, as a share of the width of the legal range; above 0, at most 1."""
    steps: int = 100
    """Gradient steps of one ascent; at least 1."""
    targets: int = 9
    """Likeliest other classes that the second member aims at, one ascent each; 0 leaves it out."""
    queries: int = 5000
    """Proposals of the square attack for a row; 0 leaves it out."""
    rows: int = 1000
    """Rows of the test part, drawn by the seed; all when there are fewer."""
    separately: bool = False
    """Whether each member attacks every row, so that what it leaves by itself is measured too; several times dearer
    on a network that falls easily."""

    def measure(self, model: Any, data: Dataset, *, seed: int = 0) -> Measurement:
        """Attack ``model``, a network or a ``Trained`` one, on rows of ``data.test``.

        Raises:
            InputError: a parameter out of range, no network, or inputs without bounds.
            InvalidData: rows or labels that do not fit the network.
        """
        for name, least in (("steps", 1), ("targets", 0), ("queries", 0)):
            at_least(self.name(), name, getattr(self, name), least)
        with layers_seeded(seed, self.name()):
            goal = target(model, data, radius=self.radius, rows=self.rows, seed=seed, who=self.name())
            flat = _flat(goal)
            estimates, fell, standing = {"accuracy": proportion(goal.correct, goal.rows)}, {}, goal.everyone()
            for name, member in self._members(goal).items():
                attacked = goal.everyone() if self.separately else standing
                left = attacked[member(goal, attacked, seeds.generator(seed, self.name(), name))]
                if self.separately:
                    estimates[f"alone_{name}"] = proportion(len(left), goal.rows)
                    left = standing[torch.isin(standing, left)]
                fell[name] = len(standing) - len(left)
                standing = left
                estimates[f"after_{name}"] = proportion(len(left), goal.rows)
        estimates["robust_accuracy"] = proportion(len(standing), goal.rows)
        masked = max(fell.get("square", 0), flat) > MANY * goal.rows
        return Measurement(
            estimates=estimates,
            details={
                **goal.details(),
                "fell": fell,
                "without_gradient": flat,
                "gradients_masked": masked,
                "remark": MASKED.format(alone=fell.get("square", 0), rows=goal.rows, flat=flat) if masked else "",
            },
        )

    def _members(self, goal: Target) -> dict[str, Member]:
        """The members in the paper's order, from the cheapest to the dearest."""
        members: dict[str, Member] = {"apgd_ce": self._log_odds}
        if self.targets and goal.classes > 2:
            members["apgd_dlr"] = self._ratio
        if self.queries:
            members["square"] = self._square
        return members

    def _log_odds(self, goal: Target, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return self._ascent(goal, rows, generator, soft_margin)

    def _ratio(self, goal: Target, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        stands = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
        if len(rows) == 0:
            return stands
        others = goal.network.logits(goal.x[rows]).scatter(1, goal.y[rows][:, None], -torch.inf)
        likeliest = others.topk(min(self.targets, goal.classes - 1), dim=1).indices
        for aims in likeliest.T:
            left = stands.nonzero()[:, 0]
            if goal.classes == 3:
                stands[left] = self._ascent(goal, rows[left], generator, ratio_of_differences)
            else:
                stands[left] = self._ascent(goal, rows[left], generator, ratio_to_target, aims[left])
        return stands

    def _square(self, goal: Target, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        x, y, ball = goal.take(rows)
        return search(goal.network, x, y, ball, queries=self.queries, generator=generator)[1]

    def _ascent(
        self,
        goal: Target,
        rows: torch.Tensor,
        generator: torch.Generator,
        loss: Loss,
        aims: torch.Tensor | None = None,
    ) -> torch.Tensor:
        x, y, ball = goal.take(rows)
        how: dict[str, Any] = {"radius": goal.radius, "steps": self.steps, "generator": generator}
        return climb(goal.network, x, y, ball, loss=loss, goal=aims, **how)[1]


def _flat(goal: Target) -> int:
    """Rows whose gradient is 0 everywhere."""
    if goal.correct == 0:
        return 0
    gradient = goal.network.uphill(goal.x, goal.y, soft_margin)[1]
    return int((gradient == 0).flatten(1).all(dim=1).sum())
