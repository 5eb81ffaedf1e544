"""Options that several verbs share, and how verbs talk: stdout is data, stderr is talk."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from stealproof.errors import InputError

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
