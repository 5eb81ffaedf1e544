"""Calling ``package.module:function``, with the current folder importable."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stealproof.errors import InputError, StealproofError, UnknownName

PATTERN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_function(spec: str) -> bool:
    """Whether ``spec`` reads as ``package.module:function``."""
    return PATTERN.fullmatch(spec) is not None


def call(spec: str, **arguments: Any) -> Any:
    """What the function behind ``spec`` returns.

    Raises:
        InputError: no such module, or the function fails; its own error is in the message.
        UnknownName: the module has no such function.
    """
    module_name, _, name = spec.partition(":")
    with current_folder_importable():
        try:
            module = importlib.import_module(module_name)
        except StealproofError:
            raise
        except Exception as error:
            raise InputError(
                f"could not import {module_name} of {spec}: {type(error).__name__}: {error}; it must be installed or"
                f" lie in the current folder {Path.cwd()}"
            ) from error
        function = getattr(module, name, None)
        if not callable(function):
            public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
            raise UnknownName.among(f"function in {module_name}", name, public)
        try:
            return function(**arguments)
        except StealproofError:
            raise
        except Exception as error:
            raise InputError(f"{spec} failed with {type(error).__name__}: {error}") from error


@contextmanager
def current_folder_importable() -> Iterator[None]:
    """Look for modules in the current folder first, as ``python -m`` does, and leave the search path as it was."""
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before
