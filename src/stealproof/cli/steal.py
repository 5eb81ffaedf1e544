"""``stealproof steal``: run one extraction attack at several budgets, and examine every surrogate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stealproof.cli._options import (
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from stealproof.cli._theft import Thefts
    from stealproof.roles.extraction import Surrogate

ROWS = {
    "accuracy": "accuracy",
    "victim_accuracy": "victim's accuracy",
    "relative_accuracy": "relative accuracy",
    "fidelity": "fidelity",
    "kl": "KL (nats)",
    "uniform_fidelity": "fidelity, uniform",
    "uniform_kl": "KL, uniform (nats)",
}
"""Estimates in the order of the printed table."""


@click.command("steal")
@click.argument("attack")
@click.option(
    "--target",
    required=True,
    metavar="MODEL",
    help="A .safetensors or .onnx file, http(s)://HOST/v2/models/NAME, package.module:function, or a family of the"
    " catalog, which is trained on --data first.",
)
@click.option(
    "--data",
    "data_spec",
    default="",
    metavar="DATA",
    help="The data that MODEL is for: what `stealproof train --data` takes.  [default: what its card says]",
)
@click.option(
    "--pool",
    "pool_spec",
    default="",
    metavar="POOL",
    help="The thief's inputs: own (DATA's pool part), noise, none, or other data.  [default: own, where there is one]",
)
@click.option(
    "--budget", "budgets", multiple=True, type=int, required=True, metavar="N", help="Most queries. Repeatable."
)
@click.option(
    "--access",
    "access_words",
    default="",
    metavar="KIND",
    help="What the thief sees: labels, top-3, probabilities, logits; :2 behind it rounds to 2 decimals;"
    " +incomplete lets queries miss features.  [default: all that MODEL gives]",
)
@click.option("--architecture", default="", metavar="NAME", help="The surrogate's family.  [default: the attack's own]")
@parameter_option
@pairs_option("-a", "--architecture-parameter", "architecture_pairs", text="A parameter of the surrogate's family.")
@pairs_option("-r", "--recipe", "recipe_pairs", text="A field of the surrogate's training recipe.")
@data_parameter_option
@pairs_option("-t", "--target-option", "target_pairs", text="Of a URL or .onnx: softmax, output, batch, parallel, ...")
@click.option("--token", envvar="STEALPROOF_TOKEN", help="Sent to a URL as a bearer token; or set STEALPROOF_TOKEN.")
@click.option("--price-per-query", type=float, default=0.0, metavar="X", help="In any currency, for the costs.")
@click.option(
    "--examine",
    "examined",
    type=int,
    metavar="N",
    help="Held-out inputs to examine surrogates on.  [default: all; 1,000 for a URL]",
)
@click.option("--uniform", type=int, metavar="N", help="Uniform inputs as well.  [default: 10,000; 1,000 for a URL]")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The .safetensors file for the surrogate of the largest budget.",
)
@click.option("--force", is_flag=True, help="Overwrite a model that is there.")
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the victim's answers in this file: after Ctrl-C, or for another budget, none is asked for twice.",
)
@seed_option
@json_option
def command(
    attack: str,
    target: str,
    data_spec: str,
    pool_spec: str,
    budgets: tuple[int, ...],
    access_words: str,
    architecture: str,
    parameters: tuple[str, ...],
    architecture_pairs: tuple[str, ...],
    recipe_pairs: tuple[str, ...],
    data_pairs: tuple[str, ...],
    target_pairs: tuple[str, ...],
    token: str | None,
    price_per_query: float,
    examined: int | None,
    uniform: int | None,
    out: Path | None,
    force: bool,
    journal: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Steal MODEL with ATTACK, from scratch at each budget, and tell how close the surrogates come.

    The examination asks the victim, too: these queries are reported apart from the thief's.
    """
    from stealproof import catalog
    from stealproof.errors import InputError

    made = catalog.make(attack, "extraction", **parse_parameters(parameters))
    if out is not None:
        from stealproof.cli.train import check_target

        check_target(out, force=force)
    for name, value in (("examine", examined), ("uniform", uniform)):
        if value is not None and value < 0:
            raise InputError(f"{name} must be at least 0 inputs, got {value}")
    if not 0 <= price_per_query < math.inf:
        raise InputError(f"price-per-query must be at least 0 and finite, got {price_per_query}")
    from stealproof.cli import _theft
    from stealproof.inputs.oracle import parse_access

    access = parse_access(access_words) if access_words else None
    options = parse_parameters(target_pairs) | ({"token": token} if token else {})
    network = _theft.thiefs_network(architecture, parse_parameters(architecture_pairs))
    data_parameters = parse_parameters(data_pairs)
    data = _theft.open_data_of(data_spec, data_parameters, target)
    if_interrupted(_what_is_kept(journal))
    with progress_bar() as progress:
        progress("opening the victim", 0.0)
        victim = _theft.open_victim(target, data, data_spec, data_parameters, access=access, options=options, seed=seed)
        victim = victim.journaled(journal)
        wanted = sorted(set(budgets))
        pool = _theft.open_thiefs_pool(pool_spec, made, victim, data, budgets=wanted, seed=seed)
        thefts = _theft.Thefts(
            attack=made,
            victim=victim,
            pool=pool,
            network=network,
            recipe=parse_parameters(recipe_pairs),
            seed=seed,
            price=price_per_query,
        )
        first = thefts.steal(wanted[0], _share(progress, 0, len(wanted)))
        progress("examining", 1 / len(wanted))
        examiner = victim.examiner(data, examined, uniform, seed)
        surrogates = [first]
        results = [thefts.result(wanted[0], first, examiner)]
        try:
            for place, budget in enumerate(wanted[1:], 1):
                surrogates.append(thefts.steal(budget, _share(progress, place, len(wanted))))
                results.append(thefts.result(budget, surrogates[-1], examiner))
        except KeyboardInterrupt:
            # What was paid for is shown before the interruption ends the program.
            _print_table(results, thefts)
            raise
    report = thefts.described() | {
        "data": None if data is None else dict(data.description),
        "results": results,
        "examination_queries": victim.owner.budget.spent,
    }
    if out is not None:
        _save(out, surrogates[-1], thefts, report)
    if as_json:
        print_json(report)
    else:
        _print_table(results, thefts)
        say(f"the examination asked the victim {victim.owner.budget.spent:,} more inputs, which are not in the table")


def _what_is_kept(journal: Path | None) -> str:
    if journal is None:
        return "the victim's answers are not kept, and the same command asks for them again; --journal FILE keeps them"
    return f"the victim's answers are kept in {journal}, run the same command again to continue"


def _share(progress: Callable[[str, float], None], place: int, count: int) -> Callable[[str, float], None]:
    return lambda what, share: progress(what, (place + share) / count)


def _save(out: Path, surrogate: Surrogate, thefts: Thefts, report: dict[str, Any]) -> None:
    from stealproof.inputs.model import save_model
    from stealproof.training.trained import Trained

    card = {"theft": {key: value for key, value in report.items() if key != "results"} | report["results"][-1]}
    if thefts.network is not None:
        card["family"] = thefts.network.describe()
    oracle = thefts.victim.thief
    save_model(Trained(model=surrogate.model, domain=oracle.domain, classes=oracle.classes, card=card), out)
    say(f"saved {out} and {out.with_suffix('.json')}")


def _print_table(results: list[dict[str, Any]], thefts: Thefts) -> None:
    pool = "no pool" if thefts.pool is None else f"pool {thefts.pool.name} of {len(thefts.pool.x):,}"
    click.echo(f"{thefts.attack.name()} against {thefts.victim.name} ({thefts.victim.thief.access}; {pool})\n")
    lines = [["queries", *(f"{result['queries']:,}" for result in results)]]
    for name, title in ROWS.items():
        found = [result["estimates"].get(name) for result in results]
        if any(found):
            lines.append([title, *("-" if one is None else _in_words(one) for one in found)])
    if thefts.price:
        lines.append(["cost", *(f"{result['cost']:,.2f}" for result in results)])
    lines.append(["CPU seconds", *(f"{result['cpu_seconds']:.1f}" for result in results)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for title, *cells in lines:
        row = [title.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))]
        click.echo("  ".join(row))


def _in_words(estimate: dict[str, Any]) -> str:
    # Adding zero turns -0.0, what rounding leaves of a divergence that is zero, into 0.0.
    value, low, high = (round(estimate[key], 4) + 0.0 for key in ("value", "low", "high"))
    return f"{value:.4f} ({low:.4f} to {high:.4f})"
