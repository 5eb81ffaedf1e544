"""``stealproof protect``: watermark a model in training, fingerprint one as it is, or mark data; and keep the claim."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stealproof.cli._options import (
    data_parameter_option,
    json_option,
    pairs_option,
    parameter_option,
    parse_parameters,
    print_json,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from stealproof.claims import Verdict
    from stealproof.cli._marking import OwnersSeed
    from stealproof.roles.dataset import Dataset
    from stealproof.roles.ownership import Fingerprint, Watermark


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
@click.option("--compare", is_flag=True, help="Train the unmarked twin, too, and tell what the mark costs.")
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
    compare: bool,
    seed: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Make MODEL_OR_DATA provably yours by SCHEME, and write the claim to it, which `stealproof verify` takes.

    A watermark needs --out: a family of the catalog is trained marked, a .safetensors file is trained on until it is.
    A fingerprint leaves a model, a .safetensors file or package.module:function, as it is. Data (a name of the catalog,
    a .npz or .csv file, a folder of images) are marked by radioactive_data, and written to --out marked.npz.
    """
    from stealproof import catalog
    from stealproof.cli import _data_marking, _marking
    from stealproof.cli._theft import is_family, open_data_of
    from stealproof.errors import InputError
    from stealproof.inputs.data import open_data
    from stealproof.roles.ownership import Fingerprint, Watermark
    from stealproof.roles.training_defense import TrainingDefense

    fixed = {} if plan_path is None else _planned(plan_path, scheme_name, parameters)
    scheme = catalog.make(scheme_name, "ownership", **parse_parameters(parameters), **fixed)
    changes = parse_parameters(recipe_pairs) | ({} if epochs is None else {"epochs": epochs})
    family_parameters = parse_parameters(architecture_pairs)
    _marking.check_claim_target(claim_path, force=force)
    _marking.check_writable(claim_path)
    if _data_marking.names_data(model, out):
        of_models = {
            "--data": bool(data_spec),
            "-a": bool(family_parameters),
            "--epochs or -r": bool(changes),
            "--compare": compare,
        }
        for option in (name for name, given in of_models.items() if given):
            raise InputError(f"{model} is a data set and no model is trained for you; drop {option}")
        _data_marking.check_marks_data(scheme, model)
        target = _data_marking.check_target(out, force=force)
        _marking.check_writable(target)
        owners = _marking.OwnersSeed.of_run(seed, claim_path, anew=force)
        with progress_bar() as progress:
            progress(f"marking {model}", 0.0)
            bare = open_data(model, **parse_parameters(data_pairs))
            report = _data_marking.mark_data(scheme, bare, owners, claim_path, target)
        _say_seed(owners, claim_path)
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
    data = open_data_of(data_spec, parse_parameters(data_pairs), model)
    if data is None:
        raise InputError(f"{scheme.name()} works with the owner's data; name them with --data")
    owners = _marking.OwnersSeed.of_run(seed, claim_path, anew=force)
    if trains:
        if out is None:
            raise InputError(f"{scheme.name()} changes the model; name a .safetensors file for it with --out")
        report = _watermark(scheme, model, family, data, changes, owners, claim_path, out, compare=compare, force=force)
    else:
        if family is not None:
            raise InputError(
                f"{scheme.name()} takes the fingerprint of a trained model, and {model} is a family;"
                f" train it first: stealproof train {model} --data ... --out {model}.safetensors"
            )
        unused = {"--out": out is not None, "--epochs or -r": bool(changes), "--compare": compare}
        for option in (name for name, given in unused.items() if given):
            raise InputError(f"{scheme.name()} leaves the model as it is and trains no other of it; drop {option}")
        report = _fingerprint(scheme, model, data, owners, claim_path)
    _say_seed(owners, claim_path)
    if as_json:
        print_json(report)
    else:
        click.echo(_in_words(report))


def _planned(plan_path: Path, scheme_name: str, parameters: tuple[str, ...]) -> dict[str, Any]:
    """The parameters that a plan fixes."""
    from stealproof.court.claiming import plan_parameters
    from stealproof.errors import InputError
    from stealproof.evidence.dossier import open_dossier

    if parameters:
        raise InputError(f"the plan fixes all parameters; drop -p {parameters[0]}")
    return plan_parameters(open_dossier(plan_path), scheme_name)


def _watermark(
    scheme: Watermark,
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
    from stealproof.cli import _marking
    from stealproof.cli.train import check_target
    from stealproof.errors import InputError
    from stealproof.inputs.model import open_model
    from stealproof.training.trained import train

    check_target(out, force=force)
    _marking.check_writable(out)
    checkpoint = out.with_name(f".{out.name}.unfinished")
    if force:
        checkpoint.unlink(missing_ok=True)
    test = data.parts.get("test")
    twin: Any = None
    with progress_bar() as progress:
        if family is None:
            twin = open_model(model, domain=data.domain, classes=data.classes)
            _check_fits(twin, model, data)
            if not twin.is_network:
                raise InputError(f"{model} is a scikit-learn estimator, which can't be trained on; name its family")
        begun = twin if family is None else family
        recipe = _marking.recipe_of(family, twin, data, changes)
        with seed.remembered(checkpoint):
            trained, claim = _marking.mark(
                scheme, begun, data, recipe=recipe, seed=seed, checkpoint=checkpoint, progress=progress
            )
            accuracy = None if test is None else trained.accuracy(test)
            _marking.save_both(claim, claim_path, trained, out, accuracy)
        say(f"saved {out}, {out.with_suffix('.json')} and {claim_path}")
        if family is not None and compare:
            progress("training the unmarked twin", 0.0)
            twin = train(family, data, recipe=recipe, seed=seed.value, progress=progress)
        progress("checking", 1.0)
        checked = _marking.own_verdict(scheme, claim, trained)
    before = None if twin is None or test is None else twin.accuracy(test)
    cost = None if twin is None or test is None else _marking.price(twin, trained, test)
    return {
        "scheme": _described(scheme),
        "model": model if family is None else family.describe(),
        "data": dict(data.description),
        "accuracy": None if accuracy is None else accuracy.as_dict(),
        "accuracy_unmarked": None if before is None else before.as_dict(),
        "accuracy_price": None if cost is None else cost.as_dict(),
        "check": _checked(checked),
        "path": str(out),
        "claim": str(claim_path),
    }


def _fingerprint(scheme: Fingerprint, model: str, data: Dataset, seed: OwnersSeed, claim_path: Path) -> dict[str, Any]:
    from stealproof.cli import _marking
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
        progress("checking", 1.0)
        checked = _marking.own_verdict(scheme, claim, trained)
    return {
        "scheme": _described(scheme),
        "model": model,
        "data": dict(data.description),
        "check": _checked(checked),
        "claim": str(claim_path),
    }


def _check_fits(trained: Any, model: str, data: Dataset) -> None:
    from stealproof.errors import InvalidData

    if (trained.domain.shape, trained.classes) != (data.domain.shape, data.classes):
        raise InvalidData(
            f"{model} takes inputs of shape {trained.domain.shape} in {trained.classes} classes, but {data.name} has"
            f" {data.domain.shape} in {data.classes}; name the data that the model is for"
        )


def _say_seed(seed: OwnersSeed, claim_path: Path) -> None:
    if seed.drawn:
        say(f"the secrets follow from a fresh seed, which is kept in {claim_path} and nowhere else")
    else:
        say("the secrets follow from the --seed given: whoever guesses it knows them, so leave it out in earnest")


def _described(scheme: Any) -> dict[str, Any]:
    return {
        "name": scheme.name(),
        "parameters": {key: list(v) if isinstance(v, tuple) else v for key, v in scheme.parameters().items()},
    }


def _checked(found: Verdict | str) -> dict[str, Any]:
    """How the owner's own model fares, in JSON types."""
    if isinstance(found, str):
        return {"decision": None, "why": found}
    return {"decision": str(found.decision), "p_value": found.p_value, "queries": found.queries, "level": found.level}


def _in_words(report: dict[str, Any]) -> str:
    name = report["scheme"]["name"]
    lines = [f"{report['path']} carries {name}" if "path" in report else f"{name} knows {report['model']} again"]
    for key, title in (
        ("accuracy", "test accuracy"),
        ("accuracy_unmarked", "unmarked"),
        ("accuracy_price", "accuracy lost"),
    ):
        if found := report.get(key):
            value, low, high = (round(found[bound], 4) + 0.0 for bound in ("value", "low", "high"))
            lines.append(f"{title:14}  {value:.4f} ({low:.4f} to {high:.4f}, n={found['n']:,})")
    check = report["check"]
    if check["decision"] is None:
        lines.append(f"{'your own model':14}  {check['why']}")
    else:
        lines.append(
            f"{'your own model':14}  {check['decision']}, p = {check['p_value']:.3g}, {check['queries']:,} queries"
        )
    if check["decision"] not in (None, "owned"):
        lines.append("the claim does not even hold against your own model: train longer, or take more triggers")
    return "\n".join(lines)
