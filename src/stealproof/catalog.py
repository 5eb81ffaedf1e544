"""The folders are the registry: which systems exist, found without importing them.

A public file in a role's folder is one system: its name is the file's name, its summary the first line of its
docstring, its class the first one whose bases name a role. Third-party packages join through the entry-point group
``stealproof`` (the value names a package, which is walked in the same way). Files are parsed, not imported, so that
listings stay fast; ``load`` imports one module when it is asked for.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stealproof.errors import UnknownName
from stealproof.system import System

ROLE_OF_BASE = {
    "Extraction": "extraction",
    "Removal": "removal",
    "FalseClaim": "false_claim",
    "TrainingDefense": "training_defense",
    "Guard": "guard",
    "Ownership": "ownership",
    "Watermark": "ownership",
    "Fingerprint": "ownership",
    "Risk": "risk",
    "DatasetLoader": "dataset",
    "NetworkFamily": "model",
    "EstimatorFamily": "model",
    "Experiment": "experiment",
}
"""A class is found by what it is: the names of the base classes in ``stealproof.roles``."""

ROLES = tuple(dict.fromkeys(ROLE_OF_BASE.values()))

FOLDERS = (
    "attacks/extraction",
    "attacks/removal",
    "attacks/false_claims",
    "defenses/training",
    "defenses/answers",
    "ownership",
    "risks",
    "data",
    "models",
    "studies/experiments",
)
"""Where stealproof shelves its own systems; a third-party package may use any folders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a listing knows of a system without importing it."""

    name: str
    roles: tuple[str, ...]
    summary: str
    module: str
    class_name: str
    source: Mapping[str, Any]
    """The fields of its ``Source``; empty for a system without one."""
    path: Path


@functools.cache
def entries() -> tuple[Entry, ...]:
    """Every system of stealproof and of the installed plugin packages, in order of role, then name."""
    home = Path(__file__).parent
    found = [
        entry
        for folder in FOLDERS
        for entry in _walk(home / folder, "stealproof." + folder.replace("/", "."), recurse=False)
    ]
    for point in importlib.metadata.entry_points(group="stealproof"):
        spec = importlib.util.find_spec(point.value)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            found.extend(_walk(Path(location), point.value, recurse=True))
    return tuple(sorted(found, key=lambda entry: (ROLES.index(entry.roles[0]), entry.name)))


def names(role: str) -> tuple[str, ...]:
    """The names of all systems in this role."""
    return tuple(entry.name for entry in entries() if role in entry.roles)


def find(name: str, role: str | None = None) -> Entry:
    """The entry of this name (and role); ``UnknownName`` suggests the nearest match.

    Dashes read as underscores, so that ``knockoff-nets`` works on a command line.
    """
    wanted = name.replace("-", "_")
    if role is not None and role not in ROLES:
        raise UnknownName.among("role", role, ROLES)
    candidates = [entry for entry in entries() if role is None or role in entry.roles]
    for entry in candidates:
        if entry.name == wanted:
            return entry
    raise UnknownName.among(role.replace("_", " ") if role else "system", name, [entry.name for entry in candidates])


def load(name: str, role: str | None = None) -> type[System]:
    """The class of this name, imported now."""
    entry = find(name, role)
    loaded: type[System] = getattr(importlib.import_module(entry.module), entry.class_name)
    return loaded


def make(name: str, role: str | None = None, **parameters: Any) -> Any:
    """An instance of the system of this name, with these constructor parameters."""
    return load(name, role).make(parameters)


def _walk(folder: Path, package: str, *, recurse: bool) -> Iterator[Entry]:
    for path in sorted(folder.glob("*.py")):
        if not path.name.startswith("_"):
            entry = _read(path, f"{package}.{path.stem}")
            if entry is not None:
                yield entry
    if recurse:
        for inner in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(("_", "."))):
            yield from _walk(inner, f"{package}.{inner.name}", recurse=True)


def _read(path: Path, module: str) -> Entry | None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        bases = [base.id if isinstance(base, ast.Name) else getattr(base, "attr", "") for base in node.bases]
        roles = tuple(dict.fromkeys(ROLE_OF_BASE[base] for base in bases if base in ROLE_OF_BASE))
        if roles:
            summary = (ast.get_docstring(tree) or "").partition("\n")[0]
            return Entry(
                name=path.stem,
                roles=roles,
                summary=summary,
                module=module,
                class_name=node.name,
                source=_source(node),
                path=path,
            )
    return None


def _source(node: ast.ClassDef) -> dict[str, Any]:
    """The literal arguments of ``source = Source(...)`` in a class body."""
    for statement in node.body:
        if (
            isinstance(statement, ast.Assign)
            and isinstance(statement.value, ast.Call)
            and any(isinstance(target, ast.Name) and target.id == "source" for target in statement.targets)
        ):
            return {word.arg: ast.literal_eval(word.value) for word in statement.value.keywords if word.arg}
    return {}
