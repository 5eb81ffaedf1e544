"""``stealproof wash``: be the suspect; wash the evidence off a stolen model, and see what it costs in accuracy."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stealproof.cli._options import (
    data_parameter_option,
    json_option,
    pairs_option,
    parse_parameters,
    print_json,
    progress_bar,
    say,
    seed_option,
)
from stealproof.errors import InputError, InvalidData, UnknownName

if TYPE_CHECKING:
    import torch

    from stealproof.measures.estimate import Estimate
    from stealproof.roles.dataset import Part
    from stealproof.roles.removal import Removal
    from stealproof.training.trained import Trained


@click.command("wash")
@click.argument("removals", metavar="REMOVAL[+REMOVAL...]")
@click.argument("model")
@click.option(
    "--data",
    "data_spec",
    required=True,
    metavar="DATA",
    help="What MODEL is for: what `stealproof train --data` takes. The suspect has its pool part.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The .safetensors file for the washed model; its card is written beside it.",
)
@pairs_option(
    "-p",
    "--parameter",
    "parameters",
    text="A parameter of the removal; REMOVAL.KEY=VALUE when there are several. `stealproof show REMOVAL` lists them.",
)
@data_parameter_option
@click.option("--rows", type=click.IntRange(min=1), metavar="N", help="Rows that the suspect has.  [default: all]")
@seed_option
@click.option("--force", is_flag=True, help="Overwrite a model that is there.")
@json_option
def command(
    removals: str,
    model: str,
    data_spec: str,
    out: Path,
    parameters: tuple[str, ...],
    data_pairs: tuple[str, ...],
    rows: int | None,
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Wash MODEL, a .safetensors file or package.module:function, with one removal, or several in order."""
    stack = stack_of(removals, parse_parameters(parameters))
    from stealproof.cli.train import check_target

    check_target(out, force=force)
    from stealproof.inputs.data import open_data
    from stealproof.inputs.model import open_model
    from stealproof.roles.removal import wash

    data = open_data(data_spec, **parse_parameters(data_pairs))
    stolen = open_model(model, domain=data.domain, classes=data.classes)
    _check_fit(stolen, model, data)
    own = _drawn(data.pool, rows, seed)
    with progress_bar() as progress:
        washed = wash(
            stack, stolen.model, own, domain=stolen.domain, classes=stolen.classes, seed=seed, progress=progress
        )
    report: dict[str, Any] = {
        "removals": [removal.describe() for removal in stack],
        "model": model,
        "data": dict(data.description),
        "rows": len(own),
        "seed": seed,
    }
    found = _measured(stolen, washed, data.parts.get("test"))
    report |= {name: None if estimate is None else estimate.as_dict() for name, estimate in found.items()}
    _save(out, stolen, washed, report, found["accuracy"])
    report["path"] = str(out)
    if as_json:
        print_json(report)
    else:
        names = " + ".join(removal.name() for removal in stack)
        click.echo(f"{names} with {len(own):,} rows of {data.name}")
        for name, estimate in found.items():
            shown = "not measured, since the data have no test rows" if estimate is None else _in_words(estimate)
            click.echo(f"{name.replace('_', ' '):<15}  {shown}")


def stack_of(names: str, parameters: dict[str, Any]) -> list[Removal]:
    """The removals in ``a+b``, with their own of the parameters ``KEY`` (when alone) or ``REMOVAL.KEY``."""
    from stealproof import catalog

    wanted = [name.strip().replace("-", "_") for name in names.split("+")]
    for name in wanted:
        if name not in catalog.names("removal"):
            raise UnknownName.among("removal", name, catalog.names("removal"))
    given: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    for key, value in parameters.items():
        owner, dot, own_key = key.rpartition(".")
        if not dot and len(given) > 1:
            raise InputError(f"with several removals, say whose parameter {key} is, for example {wanted[0]}.{key}=...")
        if dot and owner not in given:
            raise UnknownName.among("removal of this run", owner, wanted)
        given[owner or wanted[0]][own_key] = value
    return [catalog.make(name, "removal", **given[name]) for name in wanted]


def _check_fit(stolen: Trained, spec: str, data: Any) -> None:
    """Refuse what can't be washed before any work."""
    if not stolen.is_network:
        raise InputError(f"{spec} is a scikit-learn estimator, and only networks can be washed")
    ours, theirs = (stolen.domain.shape, stolen.classes), (data.domain.shape, data.classes)
    if ours != theirs:
        raise InvalidData(
            f"{spec} is for inputs of shape {ours[0]} in {ours[1]} classes, but {data.name} has {theirs[0]} in"
            f" {theirs[1]}; name the data that it was made for"
        )


def _drawn(pool: Part, rows: int | None, seed: int) -> Part:
    """That many rows of ``pool``, drawn by the suspect."""
    if rows is None:
        return pool
    if rows > len(pool):
        raise InputError(f"rows must be at most the pool's {len(pool):,}, got {rows:,}")
    from stealproof import seeds
    from stealproof.roles.removal import SUSPECT

    return pool.take(seeds.rng(seed, SUSPECT, "rows").permutation(len(pool))[:rows])


def _measured(stolen: Trained, washed: torch.nn.Module, test: Part | None) -> dict[str, Estimate | None]:
    """Accuracy before and after on the same rows, and the mean difference over these rows."""
    if test is None:
        return dict.fromkeys(("accuracy_before", "accuracy", "difference"))
    import numpy as np

    from stealproof.measures.agreement import agreement
    from stealproof.measures.intervals import row_mean
    from stealproof.oracle import Access, Answer, as_array

    labels = as_array(test.y)
    before, after = (
        one.oracle(Access(answer=Answer.LABELS)).ask(test.x).predicted
        for one in (stolen, dataclasses.replace(stolen, model=washed))
    )
    changes = (after == labels).astype(np.float64) - (before == labels)
    return {
        "accuracy_before": agreement(before, labels),
        "accuracy": agreement(after, labels),
        "difference": row_mean(changes),
    }


def _save(
    out: Path, stolen: Trained, washed: torch.nn.Module, report: dict[str, Any], accuracy: Estimate | None
) -> None:
    from stealproof.inputs.model import save_model

    card: dict[str, Any] = {"washing": report, "data": report["data"]}
    # A family in the card says how to rebuild the network, which a removal may have changed.
    if "family" in stolen.card and _form(washed) == _form(stolen.model):
        card["family"] = stolen.card["family"]
    save_model(dataclasses.replace(stolen, model=washed, card=card), out, accuracy=accuracy)
    say(f"saved {out} and {out.with_suffix('.json')}")


def _form(model: torch.nn.Module) -> dict[str, Any]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _in_words(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f}, n={estimate.n:,})"
