"""Data-free extraction: a generator invents the queries on which surrogate and victim disagree most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from stealproof.attacks.extraction._generator import Squashing, build_generator
from stealproof.attacks.extraction._imitation import Imitator, cosine
from stealproof.attacks.extraction._zeroth_order import evaluation_points, forward_differences, unit_directions
from stealproof.errors import BudgetExceeded, InputError
from stealproof.oracle import Answer
from stealproof.roles.extraction import SCORES, Extraction, Theft
from stealproof.system import Source


@dataclass(frozen=True, kw_only=True)
class DataFree(Extraction):
    """Needs no pool, but scores: a thief that has neither data nor a guess at what the inputs look like.

    Surrogate and generator play against each other. The surrogate learns the victim's logits, recovered from
    probabilities, by their mean absolute difference; the generator learns to make that difference large. The victim's
    part of its gradient is estimated by forward differences, which cost queries: ``directions + 1`` for each input.
    """

    source = Source(
        authors="Truong, Maini, Walls, Papernot",
        title="Data-Free Model Extraction",
        venue="CVPR",
        year=2021,
        url="https://arxiv.org/abs/2011.14779",
    )
    departure = (
        "made for thousands of queries, the paper for millions: batches are smaller, the surrogate also replays old"
        " queries (as MAZE does, Kariyappa et al., CVPR 2021), rates fall as a cosine instead of three steps, and the"
        " generator is smaller; categorical columns take their nearest legal value and are not differentiated"
    )
    accepts: ClassVar[frozenset[Answer]] = SCORES
    synthesizes = True

    batch: int = 32
    """Inputs that the generator makes at a time; at least 2. The paper's is 256."""
    student_steps: int = 5
    """Batches that the surrogate learns from between two turns of the generator; at least 1."""
    generator_steps: int = 1
    """Steps of the generator in each of its turns; 0 leaves it untrained, which is a control."""
    directions: int = 1
    """Random directions of each gradient estimate; at least 1."""
    epsilon: float = 1e-3
    """Length of a forward difference, before squashing."""
    replay: int = 8
    """Gradient steps on old queries for each new batch; the paper's is 0."""
    student_rate: float = 0.1
    """The surrogate's learning rate at the beginning."""
    generator_rate: float = 1e-4
    """The generator's learning rate at the beginning."""
    latent: int = 256
    """Dimensions of the noise that the generator starts from."""
    width: int = 16
    """Channels before the generator's last convolution; a quarter of its hidden units for rows. The paper's is 64."""

    def _extract(self, theft: Theft) -> torch.nn.Module:
        self._check(theft)
        squash = Squashing(domain=theft.oracle.domain)
        mask = squash.movable()
        imitator = Imitator(theft, batch=self.batch, rate=self.student_rate)
        generator = build_generator(
            theft.oracle.domain.shape, latent=self.latent, width=self.width, generator=theft.generator("generator")
        )
        optimizer = torch.optim.Adam(generator.parameters(), lr=self.generator_rate)
        noise, around = theft.generator("noise"), theft.generator("directions")
        found: list[float] = []
        learned: list[float] = []
        while theft.remaining():
            for _ in range(self.generator_steps if mask.any() else 0):
                # A turn that the rest of the budget doesn't cover is left out; the surrogate takes what is left.
                if theft.remaining() < self.batch * (self.directions + 1):
                    break
                raw = generator(torch.randn((self.batch, self.latent), generator=noise))
                directions = unit_directions(self.batch, self.directions, mask, around)
                points = squash(evaluation_points(raw.detach(), directions, self.epsilon).flatten(0, 1))
                logits = imitator.ask(points)
                values = imitator.difference(points, logits).view(self.batch, -1)
                self._climb(optimizer, raw, forward_differences(values, directions, self.epsilon), theft)
                # The m steps from a point tell nothing that the point itself does not.
                imitator.remember(points[:: self.directions + 1], logits[:: self.directions + 1])
                found.append(float(values[:, 0].mean()))
            for _ in range(self.student_steps):
                count = min(self.batch, theft.remaining())
                if not count:
                    break
                # A whole batch is made even of the last few, for batch normalisation.
                with torch.no_grad():
                    x = squash(generator(torch.randn((self.batch, self.latent), generator=noise)))[:count]
                learned.append(self._imitate(imitator, x))
            theft.progress("inventing queries", 1 - theft.remaining() / theft.budget)
        theft.notes.update(
            generator_turns=len(found),
            disagreement_found=_thinned(found),
            disagreement_learned=_thinned(learned),
            predicted=imitator.predicted(),
        )
        return imitator.model

    def _climb(self, optimizer: torch.optim.Adam, raw: torch.Tensor, slope: torch.Tensor, theft: Theft) -> None:
        """One step of the generator that makes the disagreement larger."""
        for group in optimizer.param_groups:
            group["lr"] = self.generator_rate * cosine(1 - theft.remaining() / theft.budget)
        optimizer.zero_grad(set_to_none=True)
        raw.backward(-slope / len(raw))
        optimizer.step()

    def _imitate(self, imitator: Imitator, x: torch.Tensor) -> float:
        """Ask ``x``, learn from the answers and from old ones; returns the disagreement before that."""
        logits = imitator.ask(x)
        imitator.remember(x, logits)
        # A single input has no batch statistics; it is learned by replay.
        disagreement = imitator.learn(x, logits) if len(x) > 1 else float(imitator.difference(x, logits).mean())
        for _ in range(self.replay):
            imitator.replay()
        return disagreement

    def _check(self, theft: Theft) -> None:
        least = {"batch": 2, "student_steps": 1, "generator_steps": 0, "directions": 1, "replay": 0}
        for name, bound in {**least, "latent": 1, "width": 1}.items():
            if getattr(self, name) < bound:
                raise InputError(f"{name} must be at least {bound}, got {getattr(self, name)}")
        for name in ("epsilon", "student_rate", "generator_rate"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}")
        if theft.budget < 2:
            raise BudgetExceeded(f"data_free needs at least 2 queries, got {theft.budget}; raise the budget")


def _thinned(values: list[float], points: int = 20) -> list[float]:
    """At most ``points`` of ``values``, evenly spaced, rounded to four decimals."""
    stride = -(-len(values) // points) or 1
    return [round(value, 4) for value in values[::stride]]
