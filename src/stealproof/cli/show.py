"""``stealproof show NAME``: what one system is, where it comes from, which parameters it takes."""

from __future__ import annotations

import ast
from typing import Any

import click

from stealproof import catalog
from stealproof.cli._options import json_option, print_json


@click.command("show")
@click.argument("name")
@json_option
def command(name: str, as_json: bool) -> None:
    """Show the system NAME: summary, source, departures from the paper, parameters."""
    entry = catalog.find(name)
    tree = ast.parse(entry.path.read_text(encoding="utf-8"))
    node = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == entry.class_name)
    described: dict[str, Any] = {
        "name": entry.name,
        "roles": list(entry.roles),
        "summary": entry.summary,
        "description": ast.get_docstring(tree) or "",
        "source": dict(entry.source) or None,
        "departure": _departure(node),
        "parameters": _parameters(node),
        "module": entry.module,
    }
    if as_json:
        print_json(described)
        return
    click.echo(f"{entry.name} ({', '.join(role.replace('_', ' ') for role in entry.roles)})\n")
    click.echo(described["description"])
    if entry.source:
        source = entry.source
        click.echo(f"\n{source['authors']}: {source['title']}. {source['venue']} {source['year']}. {source['url']}")
    if described["departure"]:
        click.echo(f"\nDeparts from the paper: {described['departure']}.")
    click.echo(f"\nparameters{'' if described['parameters'] else ': none'}")
    for parameter in described["parameters"]:
        click.echo(f"  {parameter['name']}: {parameter['type']} = {parameter['default']}")
        if parameter["help"]:
            click.echo(f"      {parameter['help']}")


def _departure(node: ast.ClassDef) -> str:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "departure":
            return str(ast.literal_eval(statement.value))
    return ""


def _parameters(node: ast.ClassDef) -> list[dict[str, str]]:
    """The annotated fields of a class body with their defaults and the docstrings under them, without importing it."""
    found: list[dict[str, str]] = []
    for statement, after in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        annotation = ast.unparse(statement.annotation)
        keywords = statement.value.keywords if isinstance(statement.value, ast.Call) else []
        results = any(word.arg == "init" and ast.unparse(word.value) == "False" for word in keywords)
        if annotation.startswith("ClassVar") or results:
            continue
        help_text = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            help_text = " ".join(after.value.value.split())
        found.append(
            {
                "name": statement.target.id,
                "type": annotation,
                "default": ast.unparse(statement.value) if statement.value else "(required)",
                "help": help_text,
            }
        )
    return found
