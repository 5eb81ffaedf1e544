"""What arguments name, by content: code of systems, files, functions. A cache keyed by it never serves stale results.

Code is fingerprinted without comments, docstrings and layout, together with every module of ours that it imports, so
that an edited attack (or training loop below it) is computed again and a mended comment is not.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import rfc8785

from stealproof import __version__, catalog
from stealproof.files import sha256_file

WORDING = frozenset(
    {
        "stealproof.errors",
        "stealproof.catalog",
        "stealproof.files",
        "stealproof.studies.sources",
        "stealproof.studies.store",
        "stealproof.studies.study",
    }
)
"""Modules that say and find things but can't change a number."""

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn")
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@functools.cache
def versions() -> dict[str, str]:
    """Versions of everything that computes, by name; nothing is imported for it."""
    found = {"stealproof": __version__, "python": platform.python_version()}
    return found | {package: importlib.metadata.version(package) for package in PACKAGES}


def key_of(kind: str, description: Mapping[str, Any], *, roots: tuple[str, ...]) -> str:
    """The SHA-256 of the RFC 8785 canonical JSON of a description, its versions and the content of what it names.

    Args:
        kind: what is described, for instance ``cell`` or ``victim``.
        description: JSON types; every text in it that names a system, a file or a function enters by content.
        roots: modules whose code computes it, for instance ``stealproof.training.trained``.
    """
    content = {text: digest for text in sorted(set(_texts(description))) if (digest := _content(text))}
    code = {module: code_digest(module) for module in roots}
    whole = {"kind": kind, "description": description, "versions": versions(), "content": content, "code": code}
    return hashlib.sha256(rfc8785.dumps(_plain(whole))).hexdigest()


@functools.cache
def code_digest(module: str) -> str:
    """The SHA-256 over ``module`` and every module of its own package and of stealproof that it imports."""
    pending, seen = [module], {}
    while pending:
        name = pending.pop()
        path = _source(name)
        if name in seen or name in WORDING or path is None:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = ("stealproof", module.partition(".")[0])
        pending += [found for found in _imports(tree) if found.partition(".")[0] in inside]
        seen[name] = hashlib.sha256(ast.dump(_without_words(tree)).encode()).hexdigest()
    return hashlib.sha256(rfc8785.dumps(seen)).hexdigest()


def _content(text: str) -> str | None:
    """What stands behind ``text``: the code of a system or function, the bytes of a file or folder; else None."""
    modules = [entry.module for entry in catalog.entries() if entry.name == text]
    if FUNCTION.fullmatch(text):
        modules.append(text.partition(":")[0])
    if modules:
        return "".join(code_digest(module) for module in modules)
    path = Path(text).expanduser()
    if path.is_file():
        # A model's card lies beside its weights.
        card = path.with_suffix(".json")
        return sha256_file(path) + (sha256_file(card) if card != path and card.is_file() else "")
    if path.is_dir() and path.parts[1:]:
        files = {str(file.relative_to(path)): sha256_file(file) for file in path.rglob("*") if file.is_file()}
        return hashlib.sha256(rfc8785.dumps(files)).hexdigest()
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        # ``fine_tuning(layers=last)+distillation`` names two systems.
        if "(" in value or "+" in value:
            yield from re.findall(r"[A-Za-z_]\w*", value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _plain(value: Any) -> Any:
    """``value`` with tuples as lists and mappings as dictionaries, for canonical JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _source(module: str) -> Path | None:
    """The file of a module, found without importing anything."""
    top, *parts = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # ``__main__`` has none
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    if not parts:
        return Path(spec.origin)
    if spec.submodule_search_locations is None:
        return None
    path = Path(spec.origin).parent.joinpath(*parts)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _imports(tree: ast.AST) -> Iterator[str]:
    """Names that may be modules: ``from a.b import c`` gives ``a.b`` and ``a.b.c``. Type checkers' own are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield from _imports(node)


def _without_words(tree: ast.Module) -> ast.Module:
    """The tree without docstrings; ``ast.dump`` then leaves out positions and comments by itself."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept  # type: ignore[attr-defined]
    return tree
