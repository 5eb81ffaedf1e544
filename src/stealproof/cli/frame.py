"""``stealproof frame``: be the lying accuser; forge a claim, and see how many innocent models it convicts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stealproof.cli._options import (
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
    from collections.abc import Sequence

    from stealproof.claims import Claim, Verdict
    from stealproof.roles.false_claim import FalseClaim
    from stealproof.roles.ownership import Ownership


@click.command("frame")
@click.argument("scheme_name", metavar="SCHEME")
@click.argument("model", required=False)
@click.option(
    "--data",
    "data_spec",
    required=True,
    metavar="DATA",
    help="What the models are for: what `stealproof train --data` takes. The accuser has its train part, innocent"
    " models are made from its pool.",
)
@click.option("--attack", default="transferable_triggers", show_default=True, help="How the claim is forged.")
@pairs_option("-p", "--parameter", "parameters", text="A parameter of the attack; `stealproof show ATTACK` lists them.")
@pairs_option("-s", "--scheme-parameter", "scheme_pairs", text="A parameter of SCHEME.")
@data_parameter_option
@click.option(
    "--architecture",
    default="",
    metavar="NAME",
    help="The family of every model that is trained here.  [default: MODEL's, else the one that suits the data]",
)
@click.option("--references", type=click.IntRange(min=1), default=6, show_default=True, help="Models the accuser has.")
@click.option(
    "--innocents", type=click.IntRange(min=1), default=5, show_default=True, help="Models accused if no MODEL is named."
)
@click.option(
    "--rows", type=click.IntRange(min=1), default=3000, show_default=True, help="Rows that each model is trained on."
)
@click.option("--published", is_flag=True, help="Let the accuser look into the model that it accuses.")
@level_option
@click.option(
    "--controls", "count", type=click.IntRange(min=1), metavar="N", help="Let the judge train N control models."
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Also save the first forged claim as this .claim."
)
@click.option("--force", is_flag=True, help="Overwrite a claim that is there.")
@seed_option
@json_option
def command(
    scheme_name: str,
    model: str | None,
    data_spec: str,
    attack: str,
    parameters: tuple[str, ...],
    scheme_pairs: tuple[str, ...],
    data_pairs: tuple[str, ...],
    architecture: str,
    references: int,
    innocents: int,
    rows: int,
    published: bool,
    level: float,
    count: int | None,
    out: Path | None,
    force: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Rehearse how a liar would accuse MODEL (a .safetensors file), or innocent models made here, under SCHEME.

    Nobody stole from the liar, who marked nothing. Whatever is convicted is a false accusation.
    """
    from stealproof import catalog
    from stealproof.cli import _rehearsal, _targets
    from stealproof.inputs.claim import SUFFIX, save_claim
    from stealproof.inputs.data import open_data
    from stealproof.measures.intervals import proportion
    from stealproof.roles.false_claim import ACCUSER

    scheme: Ownership = catalog.make(scheme_name.replace("-", "_"), "ownership", **parse_parameters(scheme_pairs))
    liar: FalseClaim = catalog.make(attack.replace("-", "_"), "false_claim", **parse_parameters(parameters))
    liar.check_fit(scheme)
    _check_references(liar, references)
    if out is not None:
        _targets.check_target(out, SUFFIX, what="a claim", force=force)
        _targets.check_writable(out)
    if count is not None:
        if_interrupted("trained control models are kept, the same command makes all else again")
    published = published or liar.needs_target(scheme)
    data = open_data(data_spec, **parse_parameters(data_pairs))
    accuser = dataclasses.replace(data, parts={**data.parts, "train": data.train.take(slice(0, rows))})
    with progress_bar() as progress:
        accused = None if model is None else _rehearsal.opened(model, data)
        family = _rehearsal.family(architecture, accused, data)
        suspects = (
            [accused]
            if accused
            else _rehearsal.trained(
                family, data, data.pool.take(slice(0, rows)), innocents, who="innocent", seed=seed, progress=progress
            )
        )
        own = _rehearsal.trained(family, data, accuser.train, references, who=ACCUSER, seed=seed, progress=progress)
        judge = _rehearsal.Judge(scheme=scheme, family=family, data=data, level=level, controls=count, seed=seed)
        verdicts: list[Verdict] = []
        claim: Claim | None = None
        for suspect in suspects:
            if claim is None or published:
                claim = liar.accuse(
                    scheme,
                    [one.model for one in own],
                    accuser,
                    target=suspect.model if published else None,
                    seed=seed,
                    progress=progress,
                )
                judge.hear(claim, progress)
                if out is not None and not verdicts:
                    say(f"saved {save_claim(claim, out)}")
                    if_interrupted("the claim is saved, but no verdicts are; the same command with --force starts over")
            verdicts.append(judge.verdict(suspect))
    report = {
        "attack": liar.describe(),
        "scheme": scheme.describe(),
        "published": published,
        "references": references,
        "rows": rows,
        "seed": seed,
        "accused": proportion(sum(one.decision == "owned" for one in verdicts), len(verdicts)).as_dict(),
        "verdicts": [one.in_json() for one in verdicts],
    }
    if as_json:
        print_json(report)
    else:
        click.echo(_in_words(report, verdicts))


def _check_references(liar: FalseClaim, references: int) -> None:
    """Refuse fewer models than the attack takes, before any is trained."""
    from stealproof.errors import InputError

    if references < liar.models_needed():
        raise InputError(
            f"{liar.name()} takes at least --references {liar.models_needed()}, the accuser's own model included,"
            f" got {references}; train more, or let the attack keep fewer aside"
        )


def _in_words(report: dict[str, Any], verdicts: Sequence[Verdict]) -> str:
    """Who was convicted, and why not the others."""
    share, outcomes = report["accused"], Counter(str(one.decision) for one in verdicts)
    lines = [
        f"{report['attack']['name']} against {report['scheme']['name']}"
        + (", made from the accused model" if report["published"] else ", made without the accused model"),
        f"falsely convicted  {outcomes['owned']} of {len(verdicts)}"
        f" ({share['value']:.0%}; {share['low']:.0%} to {share['high']:.0%})",
        f"other verdicts     not owned {outcomes['not owned']}, inconclusive {outcomes['inconclusive']}",
        f"p-values           {min(one.p_value for one in verdicts):.3g} to {max(one.p_value for one in verdicts):.3g}"
        f" (level {verdicts[0].level:g})",
        f"statistics         {min(one.statistic for one in verdicts):.4g}"
        f" to {max(one.statistic for one in verdicts):.4g}",
    ]
    if verdicts[0].published_threshold is not None:
        lines.append(f"the paper's        {verdicts[0].published_threshold:g} (decides nothing here)")
    return "\n".join([*lines, "", *(f"- {reason}" for reason in verdicts[0].reasons)])
