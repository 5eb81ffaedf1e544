"""The studies and result cards that come with stealproof, in an installed package or in a checkout."""

from __future__ import annotations

from pathlib import Path

from stealproof.errors import UnknownName
from stealproof.studies.study import Study
from stealproof.studies.toml_file import read_study

HOME = Path(__file__).parents[1]
CHECKOUT = HOME.parents[1]


def studies_folder() -> Path:
    """Where the shipped TOML files lie; the folder may be missing in a broken installation."""
    return _first(HOME / "_studies", CHECKOUT / "studies")


def results_folder() -> Path:
    """Where the recorded cards lie, one JSON file for each study."""
    return _first(HOME / "_results", CHECKOUT / "results")


def names() -> tuple[str, ...]:
    """The names of the shipped studies."""
    return tuple(sorted(path.stem for path in studies_folder().glob("*.toml")))


def shipped(name: str) -> Study:
    """The shipped study of this name; dashes read as underscores.

    Raises:
        UnknownName: there is none; the nearest match is suggested.
    """
    wanted = name.replace("-", "_")
    if wanted not in names():
        raise UnknownName.among("study", name, names(), "(`stealproof reproduce` lists them; or name a .toml file)")
    return read_study(studies_folder() / f"{wanted}.toml")


def find(spec: str) -> Study:
    """The study in the file ``spec``, or the shipped one of this name."""
    path = Path(spec).expanduser()
    return read_study(path) if path.suffix == ".toml" or path.is_file() else shipped(spec)


def recorded(name: str) -> Path:
    """Where the recorded cards of a shipped study lie; they may not exist yet."""
    return results_folder() / f"{name.replace('-', '_')}.json"


def _first(packaged: Path, checkout: Path) -> Path:
    return packaged if packaged.is_dir() else checkout
