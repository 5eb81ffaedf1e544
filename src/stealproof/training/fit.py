"""fit: one plain training loop, in which every training defense and watermark composes by its hooks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from stealproof import seeds
from stealproof.errors import InvalidData
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import check_composition
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe


def fit(
    architecture: NetworkFamily,
    data: Part,
    *,
    classes: int,
    protections: Sequence[Any] = (),
    recipe: Recipe | None = None,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
    start: torch.nn.Module | None = None,
) -> torch.nn.Module:
    """Train one network and return it in evaluation mode, on the CPU. Same arguments, same weights (CPU).

    ``start`` is a network to go on from instead of a new one; it is not changed.
    """
    check_composition(protections)
    if len(data) == 0:
        raise InvalidData("expected at least 1 row to train on, got none")
    recipe = recipe or suited_recipe(architecture, len(data))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float64 if recipe.precision == "float64" else torch.float32
    if start is None:
        model = architecture.build(tuple(data.x.shape[1:]), classes, seeds.generator(seed, "weights"))
    else:
        model = copy.deepcopy(start)
    model = model.to(device=device, dtype=dtype)
    targets = data.y.to(device=device, dtype=dtype if data.y.is_floating_point() else torch.int64)
    data = Part(x=data.x.to(device=device, dtype=dtype), y=targets)
    for protection in protections:
        data = protection.prepare(data, seeds.generator(seed, "prepare", protection.name()))
    batches_per_epoch = -(-len(data) // recipe.batch)
    steps = max(1, round(recipe.epochs * batches_per_epoch))
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps)
    order_generator = seeds.generator(seed, "order")
    hook_generator = seeds.generator(seed, "hooks")
    model.train()
    order = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        place = step % batches_per_epoch
        if place == 0:
            order = torch.randperm(len(data), generator=order_generator)
        batch = data.take(order[place * recipe.batch : (place + 1) * recipe.batch].to(device))
        for protection in protections:
            batch = protection.perturb(model, batch, hook_generator)
        optimizer.zero_grad(set_to_none=True)
        if not any(protection.privatize(model, batch, hook_generator) for protection in protections):
            logits = model(batch.x)
            loss = functional.cross_entropy(logits, batch.y, label_smoothing=recipe.label_smoothing)
            for protection in protections:
                term = protection.penalty(model, batch, logits)
                if term is not None:
                    loss = loss + term
            loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None and place == 0:
            progress("training", step / steps)
    model.eval()
    for protection in protections:
        model = protection.finish(model, data, seeds.generator(seed, "finish", protection.name()))
    return model.cpu().eval()
