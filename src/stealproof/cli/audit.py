"""``stealproof audit``: is it a concern, and can it be stolen? One report with plots, intervals and advice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


@click.command("audit")
@click.argument("model", required=False, default="")
@click.option(
    "--data",
    default="",
    metavar="DATA",
    help="The data that MODEL is for: what `stealproof train --data` takes.  [default: what its card says]",
)
@parameter_option
@data_parameter_option
@pairs_option(
    "-t",
    "--target-option",
    "target_pairs",
    text="Of a URL or .onnx: softmax, output, batch, ...; a URL's token is taken from STEALPROOF_TOKEN.",
)
@click.option(
    "--access",
    "accesses",
    multiple=True,
    metavar="KIND",
    help="What clients see: labels, top-3, probabilities, probabilities:2 (decimals), logits. Others are compared."
    "  [default: all that MODEL gives]",
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    type=int,
    metavar="N",
    help="Most queries of a thief. Repeatable.  [default: what suits each attack]",
)
@click.option(
    "--attack", "attacks", multiple=True, metavar="NAME", help="Only this attack. Repeatable.  [default: all that fit]"
)
@click.option("--pool", default="own", show_default=True, help="The thief's inputs: own, none, or another data set.")
@click.option(
    "--price-per-query", type=float, default=0.001, show_default=True, help="In any currency; 0 for no costs."
)
@click.option(
    "--control",
    "declared",
    multiple=True,
    metavar="NAME=TEXT",
    help="A control that is in place, in your words, as in 11.3.1='detector at the gateway'. Repeatable.",
)
@click.option(
    "--proofs/--no-proofs",
    default=True,
    show_default=True,
    help="Train the model again with ownership schemes, rehearse false claims, and try defenses together.",
)
@click.option(
    "--claim",
    "claim_path",
    type=click.Path(path_type=Path),
    metavar="CLAIM",
    help="A claim that you hold already, to be put before each --suspect.",
)
@click.option(
    "--suspect",
    "suspects",
    multiple=True,
    metavar="MODEL",
    help="A model that you suspect, as `stealproof verify` takes it. Repeatable.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Thefts of each kind.")
@seed_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes, one thread each.  [default: one a core, at most 4; 2 without MODEL]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("audit-report"),
    show_default=True,
    help="Folder for audit.html, audit.json and fidelity.svg.",
)
@json_option
def command(
    model: str,
    data: str,
    parameters: tuple[str, ...],
    data_pairs: tuple[str, ...],
    target_pairs: tuple[str, ...],
    accesses: tuple[str, ...],
    budgets: tuple[int, ...],
    attacks: tuple[str, ...],
    pool: str,
    price_per_query: float,
    declared: tuple[str, ...],
    proofs: bool,
    claim_path: Path | None,
    suspects: tuple[str, ...],
    seeds: int,
    seed: int,
    workers: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """Audit MODEL: how easily is it stolen, what do its answers give away, what should be done?

    MODEL is a family of the catalog (trained first), a model file, a URL or package.module:function. Without MODEL,
    a small network is trained on scikit-learn's digits and audited, in about a minute. Finished thefts are kept: after
    Ctrl-C, the same command goes on.
    """
    from stealproof.audit.output import check_folder, write_report
    from stealproof.audit.run import Request, audit
    from stealproof.cli._audit_summary import print_summary
    from stealproof.studies.executor import LocalPool, Serial, cores

    check_folder(out)
    if_interrupted(KEPT)
    disputes = _disputes(claim_path, suspects, data, parse_parameters(data_pairs), seed)
    request = Request(
        model=model,
        model_parameters=parse_parameters(parameters),
        data=data,
        data_parameters=parse_parameters(data_pairs),
        target_options=parse_parameters(target_pairs),
        accesses=accesses,
        budgets=budgets,
        attacks=attacks,
        seeds=seeds,
        seed=seed,
        price_per_query=price_per_query,
        pool=pool,
        proofs=proofs,
        disputes=disputes,
        declared=dict(map(_declared, declared)),
    )
    # Each process takes about 400 MB; the audit of digits promises to stay below 1.5 GiB.
    workers = workers or min(cores(), 4 if model else 2)
    with progress_bar() as progress:
        document = audit(request, executor=LocalPool(workers) if workers > 1 else Serial(), progress=progress)
    paths = write_report(out, document)
    if as_json:
        print_json(document)
    else:
        print_summary(document)
    for path in paths.values():
        say(f"wrote {path}")


def _disputes(
    claim_path: Path | None, suspects: tuple[str, ...], data: str, data_parameters: dict[str, Any], seed: int
) -> tuple[Mapping[str, Any], ...]:
    """The verdict on each suspect, in JSON types; heard first, since what is wrong with them costs no audit then."""
    from stealproof.audit.proofs import LEVEL
    from stealproof.cli._verification import Verification, open_accusation, verified
    from stealproof.errors import InputError
    from stealproof.measures.conformal import controls_needed

    if claim_path is None and not suspects:
        return ()
    if claim_path is None or not suspects:
        missing = "--claim" if claim_path is None else "--suspect"
        raise InputError(f"a claim is put before a suspect; name both --claim and --suspect, {missing} is missing")
    accusation = open_accusation(claim_path)
    with progress_bar() as progress:
        return tuple(
            verified(
                accusation,
                Verification(
                    suspect=suspect,
                    data=data,
                    data_parameters=data_parameters,
                    options={},
                    level=LEVEL,
                    seed=seed,
                    count=None if accusation.scheme.exact else controls_needed(LEVEL),
                ),
                progress,
            ).report
            for suspect in suspects
        )


def _declared(text: str) -> tuple[str, str]:
    from stealproof.errors import InputError

    name, separator, words = text.partition("=")
    if not separator or not words.strip():
        raise InputError(f"expected --control name=text, got {text!r}")
    return name.strip(), words.strip()
