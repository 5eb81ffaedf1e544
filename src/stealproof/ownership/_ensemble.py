"""The owner's own copies and rivals of a model: networks that imitate it, and networks that never met it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from stealproof import seeds
from stealproof.ownership._asked_inputs import answers, precision
from stealproof.roles.dataset import Part
from stealproof.roles.trial import OWNER, Enrolment
from stealproof.training.fit_many import fit_many
from stealproof.training.suited import suited_network

BLENDED = (0.3, 0.7)
"""Between which weights two inputs are blended."""
Progress = Callable[[float], None]
"""Called with the finished share, 0 to 1."""


def extracted(enrolment: Enrolment, count: int, *, share: float = 1.0, progress: Progress) -> list[torch.nn.Module]:
    """``count`` surrogates, trained on the probabilities that the model gives blends of two of the owner's inputs.

    Not the inputs themselves, which the model knows: its answers to them are hardly more than the true labels, from
    which every innocent model learns. A thief asks what it does not know. Every second surrogate gets a random
    ``share`` of the blends.
    """
    data, draw = enrolment.data, enrolment.generator("blends")
    rows, others = (data.train.x[torch.randperm(len(data.train), generator=draw)] for _ in range(2))
    weight = torch.empty(len(rows), *[1] * (rows.ndim - 1)).uniform_(*BLENDED, generator=draw).to(rows)
    blends = weight * rows + (1 - weight) * others
    scores = answers(enrolment.model, blends, data.domain, data.classes).scores
    part = Part(x=blends, y=torch.as_tensor(scores, dtype=torch.float32))
    return _trained(enrolment, part, "surrogate", count, share, progress)


def independent(enrolment: Enrolment, count: int, *, share: float = 1.0, progress: Progress) -> list[torch.nn.Module]:
    """``count`` references, trained on the true labels of the same inputs, without the model; ``share`` as above."""
    return _trained(enrolment, enrolment.data.train, "reference", count, share, progress)


def mean_probabilities(models: Sequence[torch.nn.Module], x: torch.Tensor) -> torch.Tensor:
    """The mean of the networks' probabilities, ``(n, classes)``; differentiable by ``x``.

    One network after the other: as one batch of models (``torch.func.vmap``) a pass with its gradient took the same CPU
    time for perceptrons, and 1.7 times as much for LeNets. Images in channels-last layout took 1.7 times less.
    """
    if x.ndim == 4:
        # ``contiguous`` would leave a single channel as it is, since both layouts then have the same bytes.
        x = torch.empty(x.shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last).copy_(x)
    total: torch.Tensor = models[0](x).softmax(dim=1)
    for model in models[1:]:
        total = total + model(x).softmax(dim=1)
    return total / len(models)


def share_answering(models: Sequence[torch.nn.Module], x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """For each input ``(n, *shape)`` the share of the networks that give it its label."""
    with torch.inference_mode():
        return torch.stack([model(x).argmax(dim=1) == labels for model in models]).double().mean(dim=0)


def _trained(
    enrolment: Enrolment, part: Part, kind: str, count: int, share: float, progress: Progress
) -> list[torch.nn.Module]:
    family = suited_network(tuple(part.x.shape[1:]), enrolment.data.classes)
    some = round(share * len(part))
    parts = [part] * count
    for number in range(1, count, 2):
        rows = torch.randperm(len(part), generator=enrolment.generator(kind, "rows", number))[:some]
        parts[number] = part if some == len(part) else part.take(rows)
    models = fit_many(
        family,
        parts,
        classes=enrolment.data.classes,
        seeds=[seeds.derive(enrolment.seed, OWNER, kind, number) for number in range(count)],
        progress=lambda what, done: progress(done),
    )
    device, dtype = precision(enrolment.model)
    return [model.to(device=device, dtype=dtype) for model in models]
