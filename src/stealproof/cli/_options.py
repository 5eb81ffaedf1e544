"""Options that several verbs share, and how verbs talk: stdout is data, stderr is talk."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from stealproof.errors import InputError

KEPT = "finished work is kept, run the same command again to continue"
"""What to say after Ctrl-C where a second run goes on."""
INTERRUPTED = f"{__name__}.interrupted"
"""Where a context keeps what to say after Ctrl-C."""


def _a_level(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if not 0 < value < 1:
        raise InputError(f"the level must lie between 0 and 1, got {value}")
    return value


level_option = click.option(
    "--level",
    type=float,
    default=1e-3,
    show_default=True,
    callback=_a_level,
    help="Chance at most of accusing an independent model.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Every choice follows from it."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout instead of text.")


def pairs_option(*names: str, text: str) -> Callable[[Any], Any]:
    """A repeatable option of the form KEY=VALUE."""
    return click.option(*names, multiple=True, metavar="KEY=VALUE", help=f"{text} Repeatable.")


parameter_option = pairs_option(
    "-p",
    "--parameter",
    "parameters",
    text="A constructor parameter of the named system; `stealproof show NAME` lists them.",
)
data_parameter_option = pairs_option(
    "-d", "--data-parameter", "data_pairs", text="A parameter of the data, for example label=income."
)


def parse_parameters(pairs: tuple[str, ...]) -> dict[str, Any]:
    """``("reward=loss", "rate=0.1")`` as a dictionary; a value is JSON where it reads as JSON, else text."""
    parsed: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise InputError(f"expected -p key=value, got {pair!r}")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        parsed[key.strip().replace("-", "_")] = tuple(value) if isinstance(value, list) else value
    return parsed


def print_json(value: Any) -> None:
    """One JSON document on stdout; NaN is refused, since JSON has none."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def say(text: str) -> None:
    """Talk: a line on stderr."""
    click.echo(text, err=True)


def if_interrupted(words: str) -> None:
    """From here on, Ctrl-C is answered with ``words``, which say what is kept and how to go on."""
    click.get_current_context().meta[INTERRUPTED] = words


def interruption(context: click.Context) -> str:
    """What to say after Ctrl-C: what the verb named last, or that there is nothing to go on with."""
    return str(context.meta.get(INTERRUPTED, "nothing is kept, the same command starts over"))


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """A callback ``(what, finished share)`` that draws a bar with the time left on stderr when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
