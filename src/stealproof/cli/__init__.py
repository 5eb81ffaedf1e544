"""The command line, one file a verb.

A public file in this folder is one verb: its name is the file's name, its function is called ``command``. Verbs
import their work inside the function, so that ``--help`` never waits for a deep-learning framework.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import click

from stealproof import __version__
from stealproof.cli._options import interruption, say
from stealproof.errors import MissingExtra, StealproofError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect."""


class Verbs(click.Group):
    """The files of this folder as commands, and one place where errors become one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the verbs."""
        return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"stealproof.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, suggesting the nearest verb."""
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            from stealproof.errors import UnknownName

            raise UnknownName.among("command", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; our own errors print one line to stderr and end with their exit code."""
        try:
            return super().invoke(ctx)
        except StealproofError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except ModuleNotFoundError as error:
            # Nothing of ours is missing where pip brought the dependencies; a judge may do without the large ones.
            module = (error.name or "").partition(".")[0]
            if not module or module == "stealproof":
                raise
            click.echo(
                f"error: this needs {module}, which is not installed; pip install stealproof brings it", err=True
            )
            ctx.exit(MissingExtra.exit_code)
        except KeyboardInterrupt:
            say(f"interrupted; {interruption(ctx)}")
            ctx.exit(INTERRUPTED)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="stealproof")
def main() -> None:
    """Is your model easy to steal, and could you prove that it is yours?"""
    # Idle OpenMP threads that spin cost several times the processor time of those that sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
