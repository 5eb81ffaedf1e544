"""``stealproof protect``: watermark a model in training, fingerprint one as it is, or mark data; and keep the claim."""

from __future__ import annotations

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
)
from stealproof.cli._protections import defenses_option, make_defenses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stealproof.cli._marking import OwnersSeed
    from stealproof.evidence.dossier import Dossier
    from stealproof.ownership.derived_triggers import DerivedTriggers
    from stealproof.roles.dataset import Dataset
    from stealproof.roles.ownership import Fingerprint, Watermark
    from stealproof.roles.training_defense import TrainingDefense


@click.command("protect")
@click.argument("scheme_name", metavar="SCHEME")
@click.argument("model", metavar="MODEL_OR_DATA")
@click.option(
    "--data",
    "data_spec",
    default="",
    metavar="DATA",
    help="The owner's data, as `stealproof train` takes them.  [default: what MODEL's card says]",
)
@click.option(
    "--claim",
    "claim_path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The .claim file to write; it holds secrets, so only you may read it.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The .safetensors file for the marked model, or the .npz file for marked data; of a watermark only.",
)
@parameter_option
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="X.dossier",
    help="The timestamped plan of `stealproof claim plan`, which fixes all parameters.",
)
@pairs_option("-a", "--architecture-parameter", "architecture_pairs", text="A parameter of the family MODEL.")
@data_parameter_option
@pairs_option("-r", "--recipe", "recipe_pairs", text="A field of the training recipe, for example batch=512.")
@click.option("--epochs", type=float, help="Short for -r epochs=...")
@defenses_option
@click.option(
    "--compare",
    is_flag=True,
    help="Train the unmarked twin, too, with the same defenses, and tell what the mark costs.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Of all that is drawn; whoever guesses it knows the secrets.  [default: fresh from the system]",
)
@click.option("--force", is_flag=True, help="Overwrite what is there, and forget an unfinished run.")
@json_option
def command(
    scheme_name: str,
    model: str,
    data_spec: str,
    claim_path: Path,
    out: Path | None,
    parameters: tuple[str, ...],
    plan_path: Path | None,
    architecture_pairs: tuple[str, ...],
    data_pairs: tuple[str, ...],
    recipe_pairs: tuple[str, ...],
    epochs: float | None,
    defenses: str,
    compare: bool,
    seed: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Make MODEL_OR_DATA provably yours by SCHEME, and write the claim to it, which `stealproof verify` takes.

    A watermark needs --out: a family of the catalog is trained marked, a .safetensors file is trained on until it is;
    the defenses of --with act in the same run, and the card of the model tells of them, but not of the mark.
    A fingerprint leaves a model, a .safetensors file or package.module:function, as it is. Data (a name of the catalog,
    a .npz or .csv file, a folder of images) are marked by radioactive_data, and written to --out marked.npz.
    """
    from stealproof import catalog
    from stealproof.cli import _data_marking, _marking, _protect_summary, _targets
    from stealproof.cli._theft import is_family, open_data_of
    from stealproof.errors import InputError
    from stealproof.inputs import claim as claim_file
    from stealproof.inputs.data import open_data
    from stealproof.roles.ownership import Fingerprint, Watermark
    from stealproof.roles.training_defense import TrainingDefense

    plan, fixed = (None, {}) if plan_path is None else _planned(plan_path, scheme_name, parameters)
    scheme = catalog.make(scheme_name, "ownership", **parse_parameters(parameters), **fixed)
    changes = parse_parameters(recipe_pairs) | ({} if epochs is None else {"epochs": epochs})
    family_parameters = parse_parameters(architecture_pairs)
    acting = make_defenses(defenses)
    _targets.check_target(claim_path, claim_file.SUFFIX, what="a claim", force=force, option="--claim")
    _targets.check_writable(claim_path)
    if _data_marking.names_data(model, out):
        of_models = {
            "--data": bool(data_spec),
            "-a": bool(family_parameters),
            "--epochs or -r": bool(changes),
            "--with": bool(acting),
            "--compare": compare,
        }
        for option in (name for name, given in of_models.items() if given):
            raise InputError(f"{model} is a data set and no model is trained for you; drop {option}")
        _data_marking.check_marks_data(scheme, model)
        target = _data_marking.check_target(out, force=force)
        _targets.check_writable(target)
        owners = _marking.OwnersSeed.of_run(seed, claim_path, anew=force)
        with progress_bar() as progress:
            progress(f"marking {model}", 0.0)
            bare = open_data(model, **parse_parameters(data_pairs))
            report = _data_marking.mark_data(scheme, bare, owners, claim_path, target)
        _protect_summary.say_seed(owners, claim_path)
        if as_json:
            print_json(report)
        else:
            click.echo(_data_marking.in_words(report))
        return
    trains = isinstance(scheme, Watermark) and isinstance(scheme, TrainingDefense)
    if not trains and not isinstance(scheme, Fingerprint):
        raise InputError(
            f"{scheme.name()} marks answers, not models: it stands as a guard in front of the API and makes its claim"
            ' from what it answered; see "Schemes that mark answers" in docs/prove-it-is-yours.md'
        )
    family = catalog.make(model, "model", **family_parameters) if is_family(model) else None
    if family is None and family_parameters:
        raise InputError(f"-a {next(iter(family_parameters))}=... is for a family, and {model} is a model; drop it")
    if trains:
        _marking.check_defenses(scheme, acting, model, new=family is not None)
    data = open_data_of(data_spec, parse_parameters(data_pairs), model)
    if data is None:
        raise InputError(f"{scheme.name()} works with the owner's data; name them with --data")
    if plan is not None:
        _check_planned(plan, scheme, data, what=str(plan_path))
    owners = _marking.OwnersSeed.of_run(seed, claim_path, anew=force)
    if trains:
        if out is None:
            raise InputError(f"{scheme.name()} changes the model; name a .safetensors file for it with --out")
        report = _watermark(
            scheme, acting, model, family, data, changes, owners, claim_path, out, compare=compare, force=force
        )
    else:
        if family is not None:
            raise InputError(
                f"{scheme.name()} takes the fingerprint of a trained model, and {model} is a family;"
                f" train it first: stealproof train {model} --data ... --out {model}.safetensors"
            )
        unused = {
            "--with": bool(acting),
            "--out": out is not None,
            "--epochs or -r": bool(changes),
            "--compare": compare,
        }
        for option in (name for name, given in unused.items() if given):
            raise InputError(f"{scheme.name()} leaves the model as it is and trains no other of it; drop {option}")
        report = _fingerprint(scheme, model, data, owners, claim_path)
    _protect_summary.say_seed(owners, claim_path, private=[one.name() for one in acting if one.spends])
    if as_json:
        print_json(report)
    else:
        click.echo(_protect_summary.in_words(report))


def _planned(plan_path: Path, scheme_name: str, parameters: tuple[str, ...]) -> tuple[Dossier, dict[str, Any]]:
    """A plan, and the parameters that it fixes."""
    from stealproof.court.claiming import plan_parameters
    from stealproof.errors import InputError
    from stealproof.evidence.dossier import open_dossier

    if parameters:
        raise InputError(f"the plan fixes all parameters; drop -p {parameters[0]}")
    plan = open_dossier(plan_path)
    return plan, plan_parameters(plan, scheme_name)


def _check_planned(plan: Dossier, scheme: DerivedTriggers, data: Dataset, *, what: str) -> None:
    """Refuse data under which other triggers follow than were planned: no claim could be made from the model."""
    from stealproof.court.claiming import terms_of
    from stealproof.errors import InvalidData
    from stealproof.evidence.canonical import parse

    planned = parse(plan.content, what=what).get("terms")
    if planned != parse(terms_of(scheme, data).encode(), what="the terms"):
        raise InvalidData(
            f"{what} was made for other data than {data.name} as given here; name those that were planned, with the"
            " same -d, or make a plan for these: stealproof claim plan"
        )


def _watermark(
    scheme: Watermark,
    defenses: Sequence[TrainingDefense],
    model: str,
    family: Any,
    data: Dataset,
    changes: dict[str, Any],
    seed: OwnersSeed,
    claim_path: Path,
    out: Path,
    *,
    compare: bool,
    force: bool,
) -> dict[str, Any]:
    from stealproof.cli import _marking, _targets
    from stealproof.cli._protect_summary import checked_in_json, described
    from stealproof.cli.train import check_target
    from stealproof.errors import InputError
    from stealproof.inputs.model import open_model
    from stealproof.training.trained import accounted

    check_target(out, force=force)
    _targets.check_writable(out)
    checkpoint = out.with_name(f".{out.name}.unfinished")
    if force:
        checkpoint.unlink(missing_ok=True)
    test = data.parts.get("test")
    start: Any = None
    with progress_bar() as progress:
        if family is None:
            start = open_model(model, domain=data.domain, classes=data.classes)
            _check_fits(start, model, data)
            if not start.is_network:
                raise InputError(f"{model} is a scikit-learn estimator, which can't be trained on; name its family")
            for name in _marking.spent_before(start.card):
                say(
                    f"the promise of {name}, by which {model} was trained, does not hold for {out.name}: its rows are"
                    f" shown again without; to have both, name the family, with --with {name}"
                )
        begun = start if family is None else family
        recipe = _marking.recipe_of(family, start, data, changes, [scheme, *defenses])
        how: dict[str, Any] = {"recipe": recipe, "seed": seed, "progress": progress}
        if_interrupted(KEPT)
        with seed.remembered(checkpoint):
            trained, claim = _marking.mark(scheme, begun, data, defenses, checkpoint=checkpoint, **how)
            accuracy = None if test is None else trained.accuracy(test)
            _marking.save_both(claim, claim_path, trained, out, accuracy)
        say(f"saved {out}, {out.with_suffix('.json')} and {claim_path}")
        if_interrupted("what is saved is whole, but was not checked")
        accounts = [accounted(defense) for defense in defenses]
        # What defenses change is no price of the mark: beside them, a model as it was is no twin.
        twin = None if defenses else start
        if compare and twin is None:
            progress("training the unmarked twin", 0.0)
            twin = _marking.trained_with(defenses, begun, data, **how)
        progress("checking", 1.0)
        checked = _marking.own_verdict(scheme, claim, trained)
    before = None if twin is None or test is None else twin.accuracy(test)
    cost = None if twin is None or test is None else _marking.price(twin, trained, test)
    return {
        "scheme": described(scheme),
        "model": model if family is None else family.describe(),
        "data": dict(data.description),
        "protections": accounts,
        "accuracy": None if accuracy is None else accuracy.as_dict(),
        "accuracy_unmarked": None if before is None else before.as_dict(),
        "accuracy_price": None if cost is None else cost.as_dict(),
        "check": checked_in_json(checked),
        "path": str(out),
        "claim": str(claim_path),
    }


def _fingerprint(scheme: Fingerprint, model: str, data: Dataset, seed: OwnersSeed, claim_path: Path) -> dict[str, Any]:
    from stealproof.cli import _marking
    from stealproof.cli._protect_summary import checked_in_json, described
    from stealproof.errors import InputError
    from stealproof.inputs.claim import save_claim
    from stealproof.inputs.model import open_model

    trained = open_model(model, domain=data.domain, classes=data.classes)
    _check_fits(trained, model, data)
    if not trained.is_network:
        raise InputError(f"{scheme.name()} takes the fingerprint of a network, and {model} is a scikit-learn estimator")
    with progress_bar() as progress:
        claim = _marking.enroll(scheme, trained, data, seed=seed, progress=progress)
        save_claim(claim, claim_path)
        say(f"saved {claim_path}; {model} is as it was")
        if_interrupted("what is saved is whole, but was not checked")
        progress("checking", 1.0)
        checked = _marking.own_verdict(scheme, claim, trained)
    return {
        "scheme": described(scheme),
        "model": model,
        "data": dict(data.description),
        "check": checked_in_json(checked),
        "claim": str(claim_path),
    }


def _check_fits(trained: Any, model: str, data: Dataset) -> None:
    from stealproof.errors import InvalidData

    if (trained.domain.shape, trained.classes) != (data.domain.shape, data.classes):
        raise InvalidData(
            f"{model} takes inputs of shape {trained.domain.shape} in {trained.classes} classes, but {data.name} has"
            f" {data.domain.shape} in {data.classes}; name the data that the model is for"
        )
