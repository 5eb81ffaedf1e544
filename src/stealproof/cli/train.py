"""``stealproof train``: train a model, measure it on held-out rows, save it with its card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stealproof.cli._options import (
    KEPT,
    data_parameter_option,
    if_interrupted,
    json_option,
    pairs_option,
    parameter_option,
    parse_parameters,
    print_json,
    progress_bar,
    say,
    seed_option,
)
from stealproof.cli._protections import accounted_in_words, defenses_option, make_defenses

if TYPE_CHECKING:
    from stealproof.measures.estimate import Estimate
    from stealproof.roles.training_defense import TrainingDefense
    from stealproof.training.recipe import Recipe


@click.command("train")
@click.argument("model")
@click.option(
    "--data",
    "data_spec",
    required=True,
    metavar="DATA",
    help="A data set of the catalog, a .npz or .csv file, a folder of images, or package.module:function.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The .safetensors file to write; its card is written beside it.",
)
@parameter_option
@data_parameter_option
@pairs_option(
    "-r",
    "--recipe",
    "recipe_pairs",
    text="A field of the training recipe, for example batch=512.  [default: measured for this model]",
)
@click.option("--epochs", type=float, help="Short for -r epochs=...")
@defenses_option
@seed_option
@click.option("--force", is_flag=True, help="Overwrite a model that is there, and forget its unfinished run.")
@json_option
def command(
    model: str,
    data_spec: str,
    out: Path,
    parameters: tuple[str, ...],
    data_pairs: tuple[str, ...],
    recipe_pairs: tuple[str, ...],
    epochs: float | None,
    defenses: str,
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Train the family MODEL on the owner's part of DATA; after Ctrl-C, the same command goes on.

    The card lists the defenses of --with and, for differential privacy, what was spent of it.
    """
    from stealproof import catalog

    family = catalog.make(model, "model", **parse_parameters(parameters))
    defending = make_defenses(defenses)
    check_target(out, force=force)
    from stealproof.inputs.data import open_data
    from stealproof.inputs.model import save_model
    from stealproof.training.composed import in_training_order
    from stealproof.training.trained import train

    protections = in_training_order(defending)
    changes = parse_parameters(recipe_pairs) | ({} if epochs is None else {"epochs": epochs})
    data = open_data(data_spec, **parse_parameters(data_pairs))
    checkpoint = out.with_name(f".{out.name}.unfinished")
    if force:
        checkpoint.unlink(missing_ok=True)
    if_interrupted(KEPT)
    with progress_bar() as progress:
        trained = train(
            family,
            data,
            recipe=recipe_for(family, len(data.train), changes, protections),
            protections=protections,
            seed=seed,
            progress=progress,
            checkpoint=checkpoint,
        )
    accuracy = trained.accuracy(data.test) if "test" in data.parts else None
    save_model(trained, out, accuracy=accuracy)
    say(f"saved {out} and {out.with_suffix('.json')}")
    for protection in protections:
        if protection.spends:
            say(
                f"the noise of {protection.name()} follows from --seed {seed}, and whoever knows the seed can take it"
                f" off again: give a secret seed, and keep {out.with_suffix('.json').name}, which names it, to yourself"
            )
    report: dict[str, Any] = {
        "model": family.describe(),
        "data": dict(data.description),
        "rows": len(data.train),
        "recipe": trained.card["recipe"],
        "protections": trained.card["protections"],
        "seed": seed,
        "accuracy": None if accuracy is None else accuracy.as_dict(),
        "path": str(out),
    }
    if as_json:
        print_json(report)
    else:
        click.echo(f"{family.name()} on {len(data.train):,} rows of {data.name}: {_in_words(accuracy)}")
        for account in report["protections"]:
            click.echo(accounted_in_words(account))


def check_target(out: Path, *, force: bool) -> None:
    """Refuse a file that could not be written, before hours of work go into it."""
    from stealproof.cli import _targets

    _targets.check_target(out, ".safetensors", what="a model", force=force)
    _targets.check_absent(out.with_suffix(".json"), force=force)


def recipe_for(
    family: Any, rows: int, changes: dict[str, Any], protections: Sequence[TrainingDefense] = ()
) -> Recipe | None:
    """The measured recipe of this family with some fields changed; None when nothing is changed."""
    if not changes:
        return None
    from stealproof.errors import InputError
    from stealproof.roles.architecture import NetworkFamily
    from stealproof.studies.workshop import adapted
    from stealproof.training.suited import suited_recipe

    if not isinstance(family, NetworkFamily):
        raise InputError(f"{family.name()} is a scikit-learn estimator and takes no recipe; drop {', '.join(changes)}")
    return adapted(suited_recipe(family, rows, protections), changes)


def _in_words(accuracy: Estimate | None) -> str:
    if accuracy is None:
        return "accuracy not measured, since the data have no test rows"
    return f"test accuracy {accuracy.value:.4f} ({accuracy.low:.4f} to {accuracy.high:.4f}, n={accuracy.n:,})"
