"""fit_many: K networks of one architecture by the fastest correct path; equal to K calls of fit, up to rounding."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from typing import Literal

import torch

from stealproof.errors import InputError
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part
from stealproof.seeds import generator
from stealproof.training._batched import check_batchable, is_perceptron, train_batched
from stealproof.training._batches import Batches
from stealproof.training._placement import place
from stealproof.training._processes import available_cores, train_in_processes
from stealproof.training.fit import check_training_data, fit, reporter
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe

Path = Literal["auto", "serial", "batched", "processes"]
GROUP = 16
"""Models that are trained as one batch; more gain nothing on a CPU and cost memory."""
WORTH_PROCESSES = 500_000
"""Rows passed through all networks together from which starting processes (3 CPU-seconds each) pays."""


def fit_many(
    architecture: NetworkFamily,
    data: Part | Sequence[Part],
    *,
    classes: int,
    seeds: Sequence[int],
    recipe: Recipe | None = None,
    path: Path = "auto",
    progress: Callable[[str, float], None] | None = None,
) -> list[torch.nn.Module]:
    """Train one network for each seed and return them in order, in evaluation mode, on the CPU.

    Args:
        architecture: the family of all networks.
        data: what all are trained on, or one part for each seed.
        classes: number of classes.
        seeds: each network's own, as in ``fit``; at least one.
        recipe: hyper-parameters; None for those that suit the family and the rows of the first network.
        path: ``serial``: one after the other. ``batched``: as one network with an axis of models (perceptrons by
            closed formulas, others by ``torch.func.vmap``). ``processes``: over all cores. ``auto``: whichever was
            measured to be fastest for this family on this device (benchmarks/fit_many.py).
        progress: called a few times a second with what is being done and the finished share, 0 to 1.

    Raises:
        InvalidData: empty data, or targets that do not fit.
        InputError: no seeds, not one part for each, a path that this family can't take, or training diverged.
    """
    parts = [data] * len(seeds) if isinstance(data, Part) else list(data)
    if not seeds or len(parts) != len(seeds):
        raise InputError(f"expected at least 1 seed and one part of data for each, got {len(seeds)} and {len(parts)}")
    for part in {id(part): part for part in parts}.values():
        check_training_data(part, classes)
    recipe = recipe or suited_recipe(architecture, len(parts[0]))
    report = reporter(progress)
    if path == "auto":
        path = _fastest(architecture, parts, classes=classes, recipe=recipe)
    if path == "batched":
        return _batched(architecture, parts, classes=classes, seeds=seeds, recipe=recipe, report=report)
    if path == "processes":
        _check_importable(architecture)
        states = train_in_processes(architecture, parts, classes=classes, recipe=recipe, seeds=seeds, report=report)
        return [_revived(architecture, parts[0], classes, state) for state in states]
    models = []
    for number, (part, seed) in enumerate(zip(parts, seeds, strict=True)):

        def within(what: str, share: float, number: int = number) -> None:
            report((number + share) / len(seeds))

        models.append(fit(architecture, part, classes=classes, recipe=recipe, seed=seed, progress=within))
    return models


def _fastest(architecture: NetworkFamily, parts: Sequence[Part], *, classes: int, recipe: Recipe) -> Path:
    """The path that was measured to be fastest; see benchmarks/README.md."""
    if len(parts) == 1:
        return "serial"
    model = architecture.build(tuple(parts[0].x.shape[1:]), classes, generator(0, "weights"))
    placement = place(model, recipe)
    try:
        check_batchable(model)
        batchable = is_perceptron(model) or placement.device.type != "cpu"
    except InputError:
        batchable = False
    if batchable:
        return "batched"
    passed = sum(Batches(len(part), recipe, 0).steps for part in parts) * recipe.batch
    # A worker of somebody else's pool has its one core; splitting that again would only cost.
    alone = multiprocessing.parent_process() is not None or available_cores() == 1
    if placement.device.type != "cpu" or alone or passed < WORTH_PROCESSES or not _importable(architecture):
        return "serial"
    return "processes"


def _batched(
    architecture: NetworkFamily,
    parts: Sequence[Part],
    *,
    classes: int,
    seeds: Sequence[int],
    recipe: Recipe,
    report: Callable[[float], None],
) -> list[torch.nn.Module]:
    """Groups of models with equally many rows, since one batch has one shape."""
    shape = tuple(parts[0].x.shape[1:])
    models = [architecture.build(shape, classes, generator(seed, "weights")) for seed in seeds]
    check_batchable(models[0])
    placement = place(models[0], recipe)
    by_rows: dict[int, list[int]] = {}
    for number, part in enumerate(parts):
        by_rows.setdefault(len(part), []).append(number)
    size = GROUP if placement.device.type == "cpu" else len(seeds)
    groups = [rows[start : start + size] for rows in by_rows.values() for start in range(0, len(rows), size)]
    done = 0
    for group in groups:

        def within(share: float, done: int = done, group: Sequence[int] = group) -> None:
            report((done + share * len(group)) / len(seeds))

        train_batched(
            [models[number] for number in group],
            [parts[number] for number in group],
            recipe=recipe,
            placement=placement,
            seeds=[seeds[number] for number in group],
            report=within,
        )
        done += len(group)
    return [_returned(model, placement.dtype) for model in models]


def _revived(architecture: NetworkFamily, part: Part, classes: int, state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """A network with the state that a process sent."""
    model = architecture.build(tuple(part.x.shape[1:]), classes, generator(0, "weights"))
    dtype = next(value.dtype for value in state.values() if value.is_floating_point())
    model = model.to(dtype)
    model.load_state_dict(state)
    return model.eval()


def _returned(model: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    return model.to(device="cpu", dtype=dtype).to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload,no-any-return]


def _importable(architecture: NetworkFamily) -> bool:
    return type(architecture).__module__ != "__main__"


def _check_importable(architecture: NetworkFamily) -> None:
    if not _importable(architecture):
        raise InputError(
            f"{type(architecture).__name__} is defined in a script, which training processes can't import;"
            " move it to a module or choose path serial"
        )
