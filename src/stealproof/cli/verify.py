"""``stealproof verify``: put one claim before one suspect, and say what the judge says."""

from __future__ import annotations

import math
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from stealproof.claims import Verdict
    from stealproof.cli._dispute import Party
    from stealproof.roles.dataset import Dataset

MEANING = {
    "owned": "an independent model would hardly ever look like this",
    "not owned": "an independent model could well look like this",
    "inconclusive": "this test can't tell; the reasons are below",
}
"""What each decision says, in words."""


@click.command("verify")
@click.argument("claim_path", metavar="CLAIM", type=click.Path(path_type=Path))
@click.argument("suspect")
@click.option(
    "--data",
    "data_spec",
    default="",
    metavar="DATA",
    help="The data that SUSPECT is for, as `stealproof train --data` takes them.  [default: what its card says]",
)
@data_parameter_option
@click.option(
    "--access",
    "access_words",
    default="",
    metavar="KIND",
    help="What the judge sees: labels, top-3, probabilities, logits; :2 rounds to 2 decimals.  [default: everything]",
)
@click.option(
    "--level", type=float, default=1e-3, show_default=True, help="Chance at most of accusing an independent model."
)
@click.option(
    "--controls",
    "count",
    type=int,
    metavar="N",
    help="Train N independent models on the data's pool part, once, and hold the suspect against them.",
)
@click.option(
    "--control",
    "control_specs",
    multiple=True,
    metavar="MODEL",
    help="An independent model of your own, named as SUSPECT. Repeatable.",
)
@click.option(
    "--public", "public_spec", default="", metavar="DATA", help="Data that SUSPECT's maker may have trained on."
)
@pairs_option("-t", "--target-option", "target_pairs", text="Of a URL or .onnx: softmax, output, batch, parallel, ...")
@click.option("--token", envvar="STEALPROOF_TOKEN", help="Sent to a URL as a bearer token; or set STEALPROOF_TOKEN.")
@seed_option
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw the verdict to this .svg, .png or .pdf file: the suspect among controls, or against chance.",
)
@click.option("--fresh", is_flag=True, help="Ask the control models again, though what they answered is stored.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    claim_path: Path,
    suspect: str,
    data_spec: str,
    data_pairs: tuple[str, ...],
    access_words: str,
    level: float,
    count: int | None,
    control_specs: tuple[str, ...],
    public_spec: str,
    target_pairs: tuple[str, ...],
    token: str | None,
    seed: int,
    plot: Path | None,
    fresh: bool,
    as_json: bool,
) -> None:
    """Test the CLAIM (a .claim file) against SUSPECT: a .safetensors or .onnx file, a URL of the Open Inference
    Protocol, or package.module:function.

    Exit code 0: owned. 1: not owned, or inconclusive (--json tells which). 2: wrong input. 3: a bad claim.
    """  # noqa: D205
    from stealproof.cli import _calibrations, _dispute
    from stealproof.cli._theft import open_data_of
    from stealproof.inputs.claim import open_claim
    from stealproof.inputs.oracle import parse_access
    from stealproof.reports import verdict_plot

    if plot is not None:
        verdict_plot.check_target(plot)
    claim = open_claim(claim_path)
    scheme = _dispute.scheme_of(claim, claim_path)
    access = parse_access(access_words) if access_words else None
    options = parse_parameters(target_pairs) | ({"token": token} if token else {})
    _dispute.refuse_twins(suspect, control_specs)
    # A model file tells its own shape: its data, which may be large or not here, are opened only to train controls.
    wanted = data_spec or data_pairs or count is not None
    data = open_data_of(data_spec, parse_parameters(data_pairs), suspect) if wanted else None
    party = _dispute.open_party(suspect, scheme, data=data, access=access, options=options)
    public = _dispute.open_public(public_spec, party.oracle.domain.shape) if public_spec else None
    given = [_dispute.open_party(spec, scheme, data=data, access=access, options={}) for spec in control_specs]
    with progress_bar() as progress:
        controls = given + _trained(count, suspect, data, party, seed, progress)
        calibration = None
        if controls:
            calibration = _calibrations.calibrated(
                scheme,
                claim,
                claim_path.expanduser(),
                controls,
                level=level,
                seed=seed,
                fresh=fresh,
                description=_described(len(given), len(controls) - len(given)),
                progress=progress,
            )
        progress("asking the suspect", 0.0)
        verdict = scheme.verify(
            claim,
            party.oracle,
            level=level,
            seed=seed,
            model=party.model,
            calibration=calibration,
            public=public,
            progress=progress,
        )
    if plot is not None:
        chance = verdict_plot.chance_of(verdict, claim, party.oracle.classes)
        say(f"saved {verdict_plot.save_plot(verdict, plot, suspect=suspect, chance=chance)}")
    report = {
        "claim": str(claim_path),
        "suspect": suspect,
        "access": str(party.oracle.access),
        "opened": party.model is not None,
        "seed": seed,
        **verdict.in_json(),
        "controls_are": None if calibration is None else calibration.description,
    }
    if as_json:
        print_json(report)
    else:
        click.echo(in_words(verdict, report))
    context.exit(0 if verdict.decision == "owned" else 1)


def _trained(
    count: int | None,
    suspect: str,
    data: Dataset | None,
    party: Party,
    seed: int,
    progress: Callable[[str, float], None],
) -> list[Party]:
    """The ``count`` controls that are trained here, seen with the suspect's access."""
    from stealproof.cli import _controls, _dispute
    from stealproof.cli._families import family_of
    from stealproof.errors import InputError
    from stealproof.inputs.model import SUFFIX, open_model
    from stealproof.inputs.oracle import narrow
    from stealproof.roles.ownership import model_digest

    if count is None:
        return []
    if data is None:
        raise InputError("control models are trained on the suspect's kind of data, which is not known; add --data")
    # An innocent suspect is best compared with its like.
    card = open_model(suspect).card if Path(suspect).suffix == SUFFIX else {}
    family = family_of(card, data)
    found = _controls.trained_controls(count, family, data, seed=seed, progress=progress)
    return [
        _dispute.Party(
            name=f"control {number}",
            oracle=narrow(trained, party.oracle.access),
            model=None if party.model is None else trained.model,
            digest=model_digest(trained.model),
        )
        for number, trained in enumerate(found)
    ]


def _described(given: int, trained: int) -> str:
    kinds = [f"{given} given"] * bool(given) + [f"{trained} trained on the data's pool part"] * bool(trained)
    return f"{given + trained} independent models ({', '.join(kinds)})"


def in_words(verdict: Verdict, report: dict[str, Any]) -> str:
    """The verdict as text: the decision, the numbers behind it, the reasons."""
    unreachable = not math.isfinite(verdict.threshold)
    lines = [
        ("null hypothesis", verdict.null),
        ("p-value", f"{verdict.p_value:.3g} (level {verdict.level:g})"),
        ("statistic", f"{verdict.statistic:.6g}"),
        ("threshold", "no value would reach the level" if unreachable else f"{verdict.threshold:.6g}"),
    ]
    if verdict.published_threshold is not None:
        lines.append(("the paper's", f"{verdict.published_threshold:.6g} (decides nothing here)"))
    if verdict.e_value is not None:
        lines.append(("e-value", f"{verdict.e_value:.3g} (owned from {1 / verdict.level:g})"))
    if verdict.effect is not None:
        lines.append(("effect", f"{verdict.effect:.4g}"))
    if verdict.controls:
        low, high = min(verdict.controls), max(verdict.controls)
        lines.append(("controls", f"statistics {low:.6g} to {high:.6g} of {report['controls_are']}"))
    asked = "its network was opened" if report["opened"] else f"it answered {report['access']}"
    lines.append(("queries", f"{verdict.queries:,}; {asked}"))
    width = max(len(title) for title, _ in lines)
    table = "\n".join(f"{title:{width}}  {text}" for title, text in lines)
    reasons = "\n".join(f"- {reason}" for reason in verdict.reasons)
    head = f"{str(verdict.decision).upper()}: {MEANING[verdict.decision]}"
    return f"{head}\n\n{report['suspect']}, held against {report['claim']} ({verdict.scheme})\n\n{table}\n\n{reasons}"
