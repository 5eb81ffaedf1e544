"""Reading a study from a flat TOML file, with one sentence for everything that can be wrong in it."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stealproof.errors import InputError, InvalidData, MissingData, UnknownName
from stealproof.interactions.limits import Criterion
from stealproof.studies.study import Arguments, Expectation, Study, concerning, merged
from stealproof.studies.table import Table
from stealproof.system import Source

TOP = {
    "title": str,
    "experiment": str,
    "seeds": (int, list),
    "show": list,
    "table": dict,
    "criterion": dict,
    "paper": dict,
    "settings": dict,
    "axes": dict,
    "cells": list,
    "expect": list,
}
PAPER = {"authors": str, "title": str, "venue": str, "year": int, "url": str}
TABLE = {
    "rows": (str, list),
    "columns": str,
    "measure": str,
    "beside": str,
    "doubt": str,
    "spread": str,
    "once": str,
}
EXPECT = {
    "measure": str,
    "where": dict,
    "minus": dict,
    "at_least": (int, float),
    "at_most": (int, float),
    "reference": str,
    "paper": (int, float),
}
WORDS = {str: "text", int: "a whole number", list: "a list", dict: "a table", float: "a number"}


def read_study(path: Path) -> Study:
    """The study in the file ``path``, checked; its name is the file's name without ``.toml``.

    Raises:
        MissingData: no such file.
        InvalidData: not a TOML file.
        UnknownName: an unknown key, experiment, system, parameter or measure; the nearest match is suggested.
        InputError: a value of a wrong type, or combinations and expectations that can't be.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingData(f"could not read the study {path}: {error.strerror}; name a .toml file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidData(f"{path}: expected a TOML file, got one that can't be parsed: {error}") from error
    with concerning(str(path)):
        study = _study(path.stem, content)
        study.check()
    return study


def _study(name: str, content: Mapping[str, Any]) -> Study:
    _check_table("a study", content, TOP, required=("title", "experiment"))
    paper = content.get("paper")
    if paper is not None:
        with concerning("[paper]"):
            _check_table("[paper]", paper, PAPER, required=tuple(PAPER))
    expectations = []
    for number, table in enumerate(_tables(content, "expect"), start=1):
        with concerning(f"[[expect]] number {number}"):
            _check_table("[[expect]]", table, EXPECT, required=("measure",))
            expectations.append(Expectation(**table))
    return Study(
        name=name,
        title=content["title"],
        experiment=content["experiment"].replace("-", "_"),
        combinations=_combinations(content),
        seeds=_seeds(content.get("seeds", 5)),
        expectations=tuple(expectations),
        source=None if paper is None else Source(**paper),
        show=tuple(content.get("show", ())),
        table=None if "table" not in content else _table(content["table"]),
        criterion=None if "criterion" not in content else _criterion(content["criterion"]),
    )


def _table(given: Mapping[str, Any]) -> Table:
    with concerning("[table]"):
        _check_table("[table]", given, TABLE, required=("rows", "columns", "measure"))
        rows = [given["rows"]] if isinstance(given["rows"], str) else given["rows"]
        if not rows or not all(isinstance(row, str) for row in rows):
            raise InputError(f"rows must be a parameter or a list of parameters, got {given['rows']!r}")
        return Table(**{**given, "rows": tuple(rows)})


def _criterion(given: Mapping[str, Any]) -> Criterion:
    with concerning("[criterion]"):
        return Criterion.from_table(given)


def _combinations(content: Mapping[str, Any]) -> tuple[Arguments, ...]:
    """Settings, under every cell's own values, under the product of the axes that the cell leaves open.

    A cell may have axes of its own, which replace those of the same name.
    """
    found: list[Arguments] = []
    for table in _tables(content, "cells") or [{}]:
        cell = {key: value for key, value in table.items() if key != "axes"}
        axes = {**_axes(content), **_axes(table)}
        open_axes = {key: values for key, values in axes.items() if key not in cell}
        base = merged(content.get("settings", {}), cell)
        for values in itertools.product(*open_axes.values()):
            found.append(merged(base, dict(zip(open_axes, values, strict=True))))
    return tuple(found)


def _axes(table: Mapping[str, Any]) -> dict[str, list[Any]]:
    axes = table.get("axes", {})
    if not isinstance(axes, dict):
        raise InputError(f"axes must be a table of lists, got {axes!r}")
    for key, values in axes.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"[axes] {key} must be a list of at least 1 value, got {values!r}")
    return axes


def _seeds(given: int | list[Any]) -> tuple[int, ...]:
    if isinstance(given, int):
        if given < 1:
            raise InputError(f"seeds must be a count of at least 1 or a list, got {given}")
        return tuple(range(given))
    whole = [seed for seed in given if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0]
    if not given or len(whole) != len(given) or len(set(whole)) != len(whole):
        raise InputError(f"seeds must be a list of different whole numbers of at least 0, got {given}")
    return tuple(whole)


def _tables(content: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    tables: list[Any] = content.get(key, [])
    for table in tables:
        if not isinstance(table, dict):
            raise InputError(f"{key} must be a list of tables, [[{key}]], got {table!r}")
    return tables


def _check_table(what: str, table: Mapping[str, Any], known: Mapping[str, Any], *, required: tuple[str, ...]) -> None:
    for key, value in table.items():
        if key not in known:
            raise UnknownName.among(f"key of {what}", key, known)
        kinds = known[key] if isinstance(known[key], tuple) else (known[key],)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise InputError(f"{key} must be {' or '.join(WORDS[kind] for kind in kinds)}, got {value!r}")
    for key in required:
        if key not in table:
            raise InputError(f"{what} needs the key {key!r}, got {', '.join(table) or 'nothing'}")
