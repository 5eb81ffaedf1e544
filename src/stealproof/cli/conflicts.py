"""``stealproof conflicts``: do the protections that you want to deploy get along on your data?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stealproof.cli._options import (
    KEPT,
    data_parameter_option,
    if_interrupted,
    json_option,
    parameter_option,
    parse_parameters,
    print_json,
    progress_bar,
    say,
)
from stealproof.cli._protections import make_protection, split_protections
from stealproof.cli.study import fresh_option, workers_option

if TYPE_CHECKING:
    from stealproof.audit.deployments import Choice
    from stealproof.interactions.criterion import Criterion

SEEDS = 5
"""The fewest of which a proof that never fails can be called fine: of 4, the true rate may still be below a half."""
QUICK_ROWS = 1000


@click.command("conflicts")
@click.argument("subject", metavar="MODEL_OR_DATA")
@click.option(
    "--with",
    "protections",
    required=True,
    metavar="A,B,...",
    help="2 or more training defenses and ownership schemes, as in 'dp_sgd(epsilon=3),adi2018'.",
)
@click.option(
    "--data",
    default="",
    metavar="DATA",
    help="The data that a MODEL is for: what `stealproof train --data` takes.  [default: what its card says]",
)
@parameter_option
@data_parameter_option
@click.option("--seeds", type=click.IntRange(min=1), default=SEEDS, show_default=True, help="Networks of each kind.")
@click.option("--rows", type=click.IntRange(min=1), help="Train on so many of the owner's rows.  [default: all]")
@click.option("--quick", is_flag=True, help=f"A first look: at most {QUICK_ROWS} rows, smaller attacks.")
@click.option(
    "--criterion",
    "criterion_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.toml",
    help="Your own limits, as [criterion] in a study.  [default: the library's, printed with the result]",
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Also draw it as one HTML page.")
@workers_option
@fresh_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    subject: str,
    protections: str,
    data: str,
    parameters: tuple[str, ...],
    data_pairs: tuple[str, ...],
    seeds: int,
    rows: int | None,
    quick: bool,
    criterion_path: Path | None,
    html: Path | None,
    workers: int | None,
    fresh: bool,
    as_json: bool,
) -> None:
    """Train with each protection alone and with every pair, and compare: does one take from the other?

    MODEL_OR_DATA is a data set of the catalog, a .npz or .csv file, a folder of images or package.module:function; or a
    family of the catalog or a .safetensors file, whose data --data names. Finished networks are kept: after Ctrl-C, the
    same command goes on. Ends with 0 when every pair is fine; with 1 when some pair is in conflict, is undecided, can't
    be trained together or could not be measured.
    """
    from stealproof.audit.deployments import plan_deployments, report
    from stealproof.errors import StealproofError
    from stealproof.interactions.criterion import DEFAULT_CRITERION
    from stealproof.reports.conflicts_text import conflicts_text
    from stealproof.studies.executor import cores, local
    from stealproof.studies.run import run_study

    names = split_protections(protections)
    for text in names:
        make_protection(text)
    criterion = DEFAULT_CRITERION if criterion_path is None else read_criterion(criterion_path)
    check_page(html)
    choice = _choice(
        subject,
        names,
        data=data,
        parameters=parse_parameters(parameters),
        data_parameters=parse_parameters(data_pairs),
        rows=rows,
        seeds=seeds,
        quick=quick,
    )
    plan = plan_deployments(choice)
    cells = len(plan.study.cells())
    if_interrupted(KEPT)
    with progress_bar() as progress:
        outcome = run_study(plan.study, executor=local(workers or cores(), cells), progress=progress, fresh=fresh)
    say(
        f"conflicts: {outcome.computed} networks measured, {len(outcome.results) - outcome.computed} were stored,"
        f" {len(outcome.failures)} of {cells} failed"
    )
    found = report(plan, outcome.results, outcome.failures, criterion=criterion)
    (panel,) = found["panels"]
    if not panel["interactions"] and panel["failed"]:
        first = panel["failed"][0]
        raise StealproofError(f"no pair could be measured; {first['name']}: {first['why']}")
    if html is not None:
        from stealproof.files import write_atomic
        from stealproof.reports.conflicts_page import conflicts_page

        write_atomic(html, conflicts_page(found).encode())
        say(f"wrote {html}")
    if as_json:
        print_json(found)
    else:
        click.echo(conflicts_text(found))
    fine = all(pair["verdict"] == "fine" for pair in panel["interactions"])
    context.exit(0 if fine and not panel["excluded"] and not panel["failed"] else 1)


def read_criterion(path: Path) -> Criterion:
    """The limits in a TOML file: its table ``[criterion]``, as in a study, else all of it.

    Raises:
        MissingData: no such file.
        InvalidData: no TOML.
        InputError: limits that can't be.
    """
    import tomllib

    from stealproof.errors import InputError, InvalidData, MissingData
    from stealproof.interactions.criterion import Criterion

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingData(f"could not read the criterion {path}: {error.strerror}; name a .toml file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidData(f"{path}: expected a TOML file, got one that can't be parsed: {error}") from error
    table = content.get("criterion", content)
    try:
        return Criterion.from_table(table)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error


def check_page(html: Path | None) -> None:
    """Refuse a page that could not be written, before anything is computed."""
    from stealproof.errors import StorageError

    if html is not None and not html.absolute().parent.is_dir():
        raise StorageError(f"could not write {html}: {html.absolute().parent} is not a folder")


def _choice(
    subject: str,
    protections: tuple[str, ...],
    *,
    data: str,
    parameters: Mapping[str, Any],
    data_parameters: Mapping[str, Any],
    rows: int | None,
    seeds: int,
    quick: bool,
) -> Choice:
    """What is asked for, with model and data told apart; the data are opened, so that what is wrong is said now."""
    from stealproof.audit.deployments import Choice
    from stealproof.errors import InputError
    from stealproof.inputs.data import open_data

    family, parameters, named = _model(subject, data, parameters)
    if parameters and not family:
        raise InputError(
            f"{next(iter(parameters))!r} is a parameter of a model family, and none is named; write"
            f" stealproof conflicts FAMILY --data {subject}"
        )
    opened = open_data(named, **data_parameters)
    if rows is not None and rows > len(opened.train):
        raise InputError(f"rows must be at most the owner's {len(opened.train)}, got {rows}")
    if rows is None and quick:
        rows = QUICK_ROWS if len(opened.train) > QUICK_ROWS else None
    return Choice(
        data=named,
        data_parameters=data_parameters,
        family=family,
        family_parameters=parameters,
        protections=protections,
        rows=rows or 0,
        seeds=tuple(range(seeds)),
        quick=quick,
    )


def _model(subject: str, data: str, parameters: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], str]:
    """Family, its parameters and data; the family is empty when only data are named."""
    from stealproof import catalog
    from stealproof.errors import InputError
    from stealproof.roles.architecture import NetworkFamily

    if subject.endswith(".safetensors"):
        family, parameters, data = _model_of_card(subject, data, parameters)
    elif subject.replace("-", "_") in catalog.names("model"):
        family = subject.replace("-", "_")
    elif data:
        raise InputError(
            f"--data {data} names the data, so {subject} must be a model: expected a family of `stealproof list model`"
            " or a .safetensors file; drop --data if it is the data"
        )
    else:
        return "", parameters, subject
    if not issubclass(catalog.load(family, "model"), NetworkFamily):
        raise InputError(f"protections meet in the training of a network, and {family} is none; choose another family")
    if not data:
        raise InputError(f"{subject} is a model; name the data that it is for with --data")
    catalog.make(family, "model", **parameters)
    return family, parameters, data


def _model_of_card(path: str, data: str, parameters: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], str]:
    """The family of a model file, which is trained again: protections meet in training."""
    from stealproof.audit.subject import data_of_card
    from stealproof.errors import InputError
    from stealproof.inputs.model import open_model

    if parameters:
        raise InputError(f"{path} is trained already and takes no parameters, got {next(iter(parameters))!r}")
    card = open_model(path).card
    family = card.get("family")
    if not isinstance(family, Mapping) or "name" not in family:
        raise InputError(
            f"the card of {path} names no family that could be trained again, and protections meet in training; name a"
            " family of `stealproof list model`"
        )
    stored = {key: tuple(v) if isinstance(v, list) else v for key, v in dict(family.get("parameters") or {}).items()}
    return str(family["name"]), stored, data or data_of_card(path)
