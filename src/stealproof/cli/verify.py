"""``stealproof verify``: put one claim before one suspect, and say what the judge says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stealproof.cli._dossiers import CLAIM
from stealproof.cli._options import (
    KEPT,
    data_parameter_option,
    if_interrupted,
    json_option,
    level_option,
    pairs_option,
    parse_parameters,
    print_json,
    progress_bar,
    say,
    seed_option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stealproof.claims import Verdict

MEANING = {
    "owned": "an independent model would hardly ever look like this",
    "not owned": "an independent model could well look like this",
    "inconclusive": "this test can't tell; the reasons are below",
}
"""What each decision says, in words."""


@click.command("verify")
@click.argument("claim_path", metavar="CLAIM", type=CLAIM)
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
@level_option
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
    from stealproof.cli._verification import Verification, open_accusation, verified
    from stealproof.inputs.oracle import parse_access
    from stealproof.reports import verdict_plot

    if plot is not None:
        verdict_plot.check_target(plot)
    accusation = open_accusation(claim_path)
    how = Verification(
        suspect=suspect,
        data=data_spec,
        data_parameters=parse_parameters(data_pairs),
        access=parse_access(access_words) if access_words else None,
        options=parse_parameters(target_pairs) | ({"token": token} if token else {}),
        level=level,
        seed=seed,
        count=count,
        controls=control_specs,
        public=public_spec,
        fresh=fresh,
    )
    if count is not None or control_specs:
        if_interrupted(KEPT)
    with progress_bar() as progress:
        found = verified(accusation, how, progress)
    if plot is not None:
        chance = verdict_plot.chance_of(found.verdict, accusation.claim, found.classes)
        say(f"saved {verdict_plot.save_plot(found.verdict, plot, suspect=suspect, chance=chance)}")
    if as_json:
        print_json(found.report)
    else:
        click.echo(in_words(found.verdict, found.report))
    context.exit(0 if found.verdict.decision == "owned" else 1)


def in_words(verdict: Verdict, report: Mapping[str, Any]) -> str:
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
