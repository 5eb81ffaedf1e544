"""fit: one plain training loop, in which every training defense and watermark composes by its hooks."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from stealproof import seeds
from stealproof.errors import InputError, InvalidData
from stealproof.oracle import Domain
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingRun, check_composition
from stealproof.training._batches import Batches
from stealproof.training._checkpoint import Checkpoint, fingerprint
from stealproof.training._optimizers import make_optimizer, set_rate
from stealproof.training._placement import place
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe

REPORT_SECONDS = 0.2
"""Time between two calls of ``progress``."""


def fit(
    architecture: NetworkFamily,
    data: Part,
    *,
    classes: int,
    domain: Domain | None = None,
    protections: Sequence[Any] = (),
    recipe: Recipe | None = None,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
    start: torch.nn.Module | None = None,
    checkpoint: Path | None = None,
) -> torch.nn.Module:
    """Train one network and return it in evaluation mode, on the CPU.

    The same arguments give the same bytes on the same CPU, whether or not the run was interrupted and resumed. A GPU
    is used when torch sees one.

    Args:
        architecture: the family to build; not built when ``start`` is given.
        data: inputs ``(n, *shape)`` of any float dtype, with labels ``(n,)`` or distributions ``(n, classes)``.
        classes: number of classes.
        domain: the legal inputs, which protections keep to; None for unbounded ones.
        protections: training defenses and watermarks; their hooks are called in this order.
        recipe: hyper-parameters; None for those that were measured to suit the family and the number of rows.
        seed: weights, order of the batches and the protections' choices follow from it.
        progress: called a few times a second with what is being done and the finished share, 0 to 1.
        start: a network to go on from instead of a new one; it is not changed.
        checkpoint: a file that holds the state of the unfinished run: written at intervals, resumed from when it
            exists, deleted at the end.

    Raises:
        InvalidData: empty data, or targets that do not fit.
        InputError: training diverged, or the checkpoint belongs to another run.
        IncompatibleDefenses: two protections that can't share a stage.
    """
    check_composition(protections)
    check_training_data(data, classes)
    recipe = recipe or suited_recipe(architecture, len(data), protections)
    if start is None:
        model = architecture.build(tuple(data.x.shape[1:]), classes, seeds.generator(seed, "weights"))
    else:
        model = copy.deepcopy(start)
    for protection in protections:
        protection.check(model)
    runs = protection_runs(protections, domain or _unbounded(data), classes, seed)
    for protection, run in zip(protections, runs, strict=True):
        data = protection.prepare(data, run)
    placement = place(model, recipe)
    model, data = placement.model(model), placement.data(data)
    optimizer = make_optimizer(model.parameters(), recipe)
    poisson = any(protection.poisson for protection in protections)
    batches = Batches(len(data), recipe, seed, poisson=poisson)
    for run in runs:
        run.rows, run.steps, run.epoch_steps = len(data), batches.steps, batches.per_epoch
        run.expected = len(data) / batches.per_epoch if poisson else 0.0
        run.bfloat16, run.label_smoothing = placement.bfloat16, recipe.label_smoothing
    report = reporter(progress)
    # Layers such as dropout know no other randomness than the global generator, so it is lent to them and given back.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seeds.derive(seed, "layers"))
        generators = {f"hooks {number}": run.generator for number, run in enumerate(runs)}
        generators["layers"] = _global_generator(placement.device)
        saved = Checkpoint(checkpoint, model, optimizer, generators, [run.memory for run in runs])
        if checkpoint is not None:
            saved.describe(
                architecture=architecture.describe(),
                protections=[protection.describe() for protection in protections],
                recipe=dataclasses.asdict(recipe),
                seed=seed,
                data=fingerprint(data.x, data.y),
                start=None if start is None else fingerprint(*start.state_dict().values()),
            )
        model.train()
        for step in range(saved.resume(), batches.steps):
            rows = batches.at(step)
            batch = data.take(rows.to(placement.device))
            for protection, run in zip(protections, runs, strict=True):
                run.step, run.drawn = step, len(rows)
                batch = protection.perturb(model, batch, run)
            set_rate(optimizer, recipe, step, batches.steps)
            optimizer.zero_grad(set_to_none=True)
            if not any(p.privatize(model, batch, run) for p, run in zip(protections, runs, strict=True)):
                with placement.computing():
                    logits = model(batch.x)
                logits = logits.to(placement.dtype)
                loss = functional.cross_entropy(logits, batch.y, label_smoothing=recipe.label_smoothing)
                for protection, run in zip(protections, runs, strict=True):
                    term = protection.penalty(model, batch, logits, run)
                    if term is not None:
                        loss = loss + term
                if not loss.isfinite():
                    raise diverged(step, batches.steps, recipe)
                loss.backward()
            optimizer.step()
            report((step + 1) / batches.steps)
            if any(run.stop for run in runs):
                report(1.0)
                break
            saved.save_if_due(step + 1)
    model.eval()
    for protection, run in zip(protections, runs, strict=True):
        model = protection.finish(model, data, run)
    if not all(bool(weight.isfinite().all()) for weight in model.parameters()):
        raise diverged(batches.steps, batches.steps, recipe)
    saved.remove()
    return model.cpu().to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload,no-any-return]


def protection_runs(protections: Sequence[Any], domain: Domain, classes: int, seed: int) -> list[TrainingRun]:
    """One record for each protection; its generator is named after it, so that others never shift its choices."""
    names = [protection.name() for protection in protections]
    return [
        TrainingRun(
            domain=domain,
            classes=classes,
            generator=seeds.generator(seed, "protection", name, names[:number].count(name)),
        )
        for number, name in enumerate(names)
    ]


def _unbounded(data: Part) -> Domain:
    return Domain(shape=tuple(data.x.shape[1:]), low=-math.inf, high=math.inf)


def check_training_data(data: Part, classes: int) -> None:
    """Raise ``InvalidData`` unless there is a row, and every row has a label below ``classes`` or a distribution."""
    n = len(data)
    if n == 0:
        raise InvalidData("expected at least 1 row to train on, got none")
    if data.y.shape not in ((n,), (n, classes)):
        raise InvalidData(f"expected targets of shape ({n},) or ({n}, {classes}), got {tuple(data.y.shape)}")
    if data.y.ndim == 1 and (int(data.y.min()) < 0 or int(data.y.max()) >= classes):
        raise InvalidData(f"expected labels in 0..{classes - 1}, got {int(data.y.min())}..{int(data.y.max())}")


def diverged(step: int, steps: int, recipe: Recipe) -> InputError:
    """The error of a run whose loss or weights are no longer finite."""
    return InputError(
        f"training diverged at step {step} of {steps}: the loss is no longer finite;"
        f" lower learning_rate (now {recipe.learning_rate:g})"
    )


def _global_generator(device: torch.device) -> torch.Generator:
    return torch.default_generator if device.type == "cpu" else torch.cuda.default_generators[device.index or 0]


def reporter(progress: Callable[[str, float], None] | None) -> Callable[[float], None]:
    """A function of the finished share that calls ``progress`` now and then."""
    reported = float("-inf")

    def report(share: float) -> None:
        nonlocal reported
        now = time.monotonic()
        if progress is not None and (share >= 1 or now - reported >= REPORT_SECONDS):
            progress("training", share)
            reported = now

    return report
