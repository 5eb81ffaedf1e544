"""What is to be attacked, opened and checked: a network, rows that it classifies correctly, the balls around them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from stealproof import seeds
from stealproof.errors import InputError, InvalidData
from stealproof.oracle import Domain
from stealproof.risks._attacked import Attacked, Ball
from stealproof.roles.dataset import Dataset, Part
from stealproof.training.trained import Trained


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A network, the rows that it classifies correctly, and their balls."""

    network: Attacked
    rows: int
    """Rows that were looked at, correct or not."""
    correct: int
    x: torch.Tensor
    """Inputs ``(correct, *shape)``."""
    y: torch.Tensor
    """Labels ``(correct,)``."""
    ball: Ball
    radius: float
    """In the data's own units."""
    classes: int
    randomized: bool
    """Whether two passes of the same inputs gave different answers."""

    def everyone(self) -> torch.Tensor:
        """Numbers of all correct rows, ``(correct,)``."""
        return torch.arange(self.correct, device=self.x.device)

    def take(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, Ball]:
        """Inputs, labels and balls of these rows."""
        return self.x[rows], self.y[rows], self.ball.take(rows)

    def details(self) -> dict[str, Any]:
        """What every attack reports beside its estimates."""
        return {
            "radius": self.radius,
            "wrong_unchanged": self.rows - self.correct,
            "inputs_passed_forward": self.network.passes,
            "randomized": self.randomized,
        }


def target(
    model: Any, data: Dataset, *, radius: float, rows: int, seed: int, who: str, rounded: bool = False
) -> Target:
    """Open the network and the rows of ``data.test`` to attack.

    Args:
        model: a torch Module with logits, or a ``Trained`` network.
        data: its ``test`` part holds labels.
        radius: share of the width of the legal range, above 0 and at most 1.
        rows: how many rows, drawn by ``seed``; all when there are fewer.
        seed: of the draw.
        who: the risk's name, for messages.
        rounded: whether gradients may be computed in bfloat16, see ``Attacked``.

    Raises:
        InputError: no network, a bad radius or number of rows, an unbounded domain.
        InvalidData: labels or shapes that do not fit the network.
    """
    network, domain = _opened(model, data, who)
    at_least(who, "rows", rows, 1)
    reach = _reach(radius, domain, who)
    part = chosen_rows(data.test, rows, seed, who)
    if tuple(part.x.shape[1:]) != domain.shape:
        raise InvalidData(f"{who} expected rows of shape {domain.shape}, got {tuple(part.x.shape[1:])}")
    attacked = Attacked(network, rounded=rounded)
    x = part.x.to(device=attacked.device, dtype=attacked.dtype)
    y = part.y.to(device=attacked.device)
    logits = attacked.logits(x)
    if logits.ndim != 2 or logits.shape[1] < 2 or int(y.max()) >= logits.shape[1]:
        raise InvalidData(
            f"{who} expected logits for at least {max(2, int(y.max()) + 1)} classes, got answers of shape"
            f" {tuple(logits.shape)}; give the network that belongs to the data"
        )
    if not bool(logits.isfinite().all()):
        raise InputError(f"the network answers {who}'s unchanged inputs with NaN or infinity; retrain it")
    correct = logits.argmax(dim=1) == y
    randomized = not bool(torch.equal(logits, attacked.logits(x)))
    return Target(
        network=attacked,
        rows=len(x),
        correct=int(correct.sum()),
        x=x[correct],
        y=y[correct],
        ball=Ball.around(x[correct], reach, domain),
        radius=reach,
        classes=logits.shape[1],
        randomized=randomized,
    )


def _opened(model: Any, data: Dataset, who: str) -> tuple[torch.nn.Module, Domain]:
    if isinstance(model, torch.nn.Module):
        return model, data.domain
    if isinstance(model, Trained) and model.is_network:
        return model.model, model.domain
    kind = type(model.model if isinstance(model, Trained) else model).__name__
    raise InputError(f"{who} needs a network whose weights it can see, got {kind}; steal a network from it first")


def _reach(radius: float, domain: Domain, who: str) -> float:
    if not 0 < radius <= 1:
        raise InputError(
            f"radius must be above 0 and at most 1, since it is a share of the width of the legal range, got"
            f" {radius:g}; 8/255 is usual for images"
        )
    width = domain.high - domain.low
    if not 0 < width < float("inf"):
        raise InputError(
            f"{who} needs inputs between bounds, since its radius is a share of their width, got"
            f" [{domain.low:g}, {domain.high:g}]; scale the data to a range"
        )
    if len(domain.shape) == 1 and len(domain.levels) == domain.shape[0]:
        raise InputError(f"{who} moves continuous columns, but all {len(domain.levels)} only take listed values")
    return radius * width


def chosen_rows(part: Part, rows: int, seed: int, who: str) -> Part:
    """``rows`` rows of ``part`` drawn by ``seed``, in their old order; all when there are fewer."""
    if len(part) == 0:
        raise InvalidData(f"{who} needs at least 1 test row, got none")
    if part.y.ndim != 1:
        raise InvalidData(f"{who} needs one label for each row, got targets of shape {tuple(part.y.shape)}")
    if rows >= len(part):
        return part
    # Not by the name of the attack: several of them then tell of the same rows.
    drawn = seeds.rng(seed, "evasion", "rows").choice(len(part), rows, replace=False)
    return part.take(torch.as_tensor(np.sort(drawn)))


def at_least(who: str, name: str, value: int, least: int) -> None:
    """Raise ``InputError`` for a count below ``least``."""
    if value < least:
        raise InputError(f"{name} must be at least {least} for {who}, got {value}")


@contextlib.contextmanager
def layers_seeded(seed: int, who: str) -> Iterator[None]:
    """Layers that add noise know no other randomness than the global generator: it is lent to them and given back."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seeds.derive(seed, who, "layers"))
        yield
