"""Trigger sets: inputs with labels that a network learns beside its task, and the counting that recognises them."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from stealproof.errors import InputError, InvalidData
from stealproof.oracle import Domain
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingRun
from stealproof.roles.trial import Trial


def legal_range(domain: Domain, x: torch.Tensor) -> tuple[float, float]:
    """Least and largest legal value; where the domain has no end, that of the training inputs ``x``."""
    low = domain.low if math.isfinite(domain.low) else float(x.min())
    high = domain.high if math.isfinite(domain.high) else float(x.max())
    return low, high


def legal(x: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """``x`` in float32, clipped to the float32 numbers of [``low``, ``high``]: rounding leads no value outside."""
    least, largest = np.float32(low), np.float32(high)
    if float(least) < low:
        least = np.nextafter(least, np.float32(np.inf))
    if float(largest) > high:
        largest = np.nextafter(largest, np.float32(-np.inf))
    return x.to(torch.float32).clamp(float(least), float(largest))


def distinct(x: torch.Tensor, count: int, *, what: str) -> torch.Tensor:
    """Numbers ``(count,)`` of the first rows of ``x`` of which no two are equal."""
    first: dict[bytes, int] = {}
    for number, row in enumerate(x.to(torch.float32).numpy()):
        first.setdefault(row.tobytes(), number)
        if len(first) == count:
            return torch.tensor(list(first.values()))
    raise InputError(f"expected {count} {what} of which no two are equal, got {len(first)}; ask for fewer triggers")


def wrong_labels(true: torch.Tensor, classes: int, generator: torch.Generator) -> torch.Tensor:
    """For each of ``true`` one of the other classes, all equally likely."""
    return (true + torch.randint(1, classes, true.shape, generator=generator)) % classes


def turn(run: TrainingRun, rows: int, *, per_hundred: float, passes: float, triggers: int) -> torch.Tensor:
    """Which of ``triggers`` are in turn at this step of a run, in a batch of ``rows``; all equally often.

    As many as ``per_hundred`` for 100 rows, or as it takes to show each ``passes`` times in the whole run, whichever is
    more. It depends on the step alone, so that a run that was interrupted goes on with the same ones.
    """
    rate = max((run.expected or rows) * per_hundred / 100, passes * triggers / run.steps)
    return torch.arange(int(run.step * rate), int((run.step + 1) * rate)) % triggers


def join(batch: Part, x: torch.Tensor, labels: torch.Tensor, classes: int) -> Part:
    """``batch`` and the inputs ``x`` with ``labels``, as one batch with the kind of targets that ``batch`` has."""
    y = labels.to(batch.y.device)
    if batch.y.ndim == 2:
        y = functional.one_hot(y, classes)
    return Part(x=torch.cat([batch.x, x.to(batch.x)]), y=torch.cat([batch.y, y.to(batch.y.dtype)]))


def check_amounts(triggers: int, **amounts: float) -> None:
    """Refuse parameters with which nothing could be learned."""
    if triggers < 1:
        raise InputError(f"triggers must be at least 1, got {triggers}")
    for name, amount in amounts.items():
        # NaN is neither.
        if not 0 <= amount < math.inf:
            raise InputError(f"{name} must be finite and at least 0, got {amount}")


def check_outnumbered(triggers: int, rows: int) -> None:
    """Refuse a trigger set that is larger than the data: such a network learns the triggers and little else."""
    if triggers > rows:
        raise InputError(
            f"the watermark has {triggers} triggers, more than the {rows} rows to train on; ask for at most {rows}"
        )


def secret_labels(trial: Trial, name: str = "labels") -> NDArray[np.int64]:
    """The claim's labels ``(n,)`` of this name, one for each input and each a class of the suspect."""
    labels, inputs, classes = np.asarray(trial.secret(name)), trial.secret("inputs"), int(trial.secret("classes"))
    if classes != trial.suspect.classes:
        raise InvalidData(
            f"the claim is about {classes} classes, but the suspect has {trial.suspect.classes};"
            " name the model that the claim is about"
        )
    if labels.shape != (len(inputs),) or labels.dtype.kind not in "iu":
        raise InvalidData(f"expected {len(inputs)} integers as the claim's {name}, got {labels.dtype}{labels.shape}")
    if labels.min() < 0 or labels.max() >= classes:
        raise InvalidData(f"expected the claim's {name} in 0..{classes - 1}, got {labels.min()}..{labels.max()}")
    return labels.astype(np.int64)
