"""Data that a user names: a data set of the catalog, or their own."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof import catalog, seeds
from stealproof.data._tabular import Codec
from stealproof.errors import InvalidData, MissingData, UnknownName
from stealproof.inputs import _python
from stealproof.inputs._pickles import refuse_pickle
from stealproof.oracle import Domain, as_array
from stealproof.roles.dataset import Dataset, DatasetLoader, Part

KINDS = "a .npz or .csv file, a folder of images, or package.module:function"
PICKLE_ADVICE = "save its arrays with numpy.savez(path, x=..., y=...)"


def open_data(spec: str, **parameters: Any) -> Dataset:
    """The data set behind ``spec``.

    Args:
        spec: a name of the catalog, a path to a ``.npz`` or ``.csv`` file or to a folder of images, or
            ``package.module:function`` (returning a ``Dataset`` or arrays).
        parameters: constructor parameters of its reader, for instance ``label="income"`` of a ``.csv``.

    Raises:
        UnknownName: neither a data set's name nor a file, or a parameter that its reader does not have.
        MissingData: a path where nothing is.
        InvalidData: data that can't be used; the message says why.
        UnsafeFile: a pickle.
    """
    if spec.replace("-", "_") in catalog.names("dataset"):
        dataset: Dataset = catalog.make(spec, "dataset", **parameters).load()
        return dataset
    if _python.is_function(spec):
        from stealproof.inputs._function import FunctionData, called

        returned = called(spec)
        if isinstance(returned, Dataset):
            return _checked(returned, spec)
        return _load(FunctionData, {"path": spec, "returned": returned, **parameters})
    return _load(_reader(spec), {"path": spec, **parameters})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What a thief may query with."""

    x: NDArray[Any]
    """Inputs ``(m, *shape)``."""
    labels: NDArray[np.int64] | None
    """Labels ``(m,)`` of a foreign pool in its own classes; None for an own or an unlabelled pool."""
    name: str
    description: Mapping[str, Any]


def open_pool(
    spec: str, *, domain: Domain, data: Dataset | None = None, noise: int = 0, seed: int = 0, **parameters: Any
) -> Pool | None:
    """The pool behind ``spec``; None for ``none``.

    Images of the catalog are resized and turned grey or coloured to fit ``domain``. A foreign pool must not overlap
    the test part of ``data``.

    Args:
        spec: ``own`` (the pool part of ``data``), ``noise`` (uniform inputs), ``none``, or foreign inputs, named as
            ``open_data`` wants it; these keep their own labels.
        domain: the victim's legal inputs.
        data: the victim's data.
        noise: how many uniform inputs to draw.
        seed: of those.
        parameters: of the reader of a foreign pool.

    Raises:
        InvalidData: the pool does not fit the domain, or overlaps the test part.
    """
    if spec == "own":
        if data is None:
            raise InvalidData("the pool 'own' is a part of the victim's data, and no data were given; add --data")
        return Pool(x=as_array(data.pool.x), labels=None, name="own", description={"name": "own"})
    if spec == "none":
        return None
    if spec == "noise":
        x = domain.uniform(noise, seeds.rng(seed, "noise pool")).astype(np.float32)
        return Pool(x=x, labels=None, name="noise", description={"name": "noise", "seed": seed})
    opened = _open_foreign(spec, domain=domain, data=data, parameters=parameters)
    part = opened.pool if "pool" in opened.parts else opened.train
    x = as_array(part.x)
    try:
        domain.check(x)
    except InvalidData as error:
        raise InvalidData(f"the pool {spec} does not fit the victim: {error}") from error
    if data is not None and "test" in data.parts:
        check_disjoint(part, data.test)
    labels = as_array(part.y) if opened.classes > 1 and part.y.ndim == 1 else None
    return Pool(x=x, labels=labels, name=opened.name, description=opened.description)


def check_disjoint(pool: Part, test: Part) -> None:
    """Raise ``InvalidData`` when rows of ``pool`` are rows of ``test``, as fidelity there would be flattered.

    Rows of a table can be equal by chance. As many are let pass as there are equal rows within ``test`` itself, twice.
    """
    held_out = Counter(_row_keys(test))
    shared = sum(key in held_out for key in _row_keys(pool))
    twins = sum(count for count in held_out.values() if count > 1) / len(test)
    if shared > 2 * twins * len(pool):
        raise InvalidData(
            f"{shared} of the pool's {len(pool)} rows are also among the {len(test)} test rows;"
            " expected a pool that the examiner's rows are not part of, so remove them"
        )


def _row_keys(part: Part) -> list[bytes]:
    """A short hash of each row's float32 bytes; equal rows have equal keys."""
    # Adding zero makes -0.0 and 0.0 the same bytes.
    rows = as_array(part.x).reshape(len(part), -1).astype(np.float32) + np.float32(0.0)
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows]


def _open_foreign(spec: str, *, domain: Domain, data: Dataset | None, parameters: dict[str, Any]) -> Dataset:
    name = spec.replace("-", "_")
    if name in catalog.names("dataset"):
        fields = {field.name for field in dataclasses.fields(catalog.load(name, "dataset"))}  # type: ignore[arg-type]
        if {"size", "grey"} <= fields and len(domain.shape) == 3:
            parameters = {"size": domain.shape[1], "grey": domain.shape[0] == 1, **parameters}
        return open_data(name, **parameters)
    path = Path(spec)
    codec = data.description.get("codec") if data is not None else None
    if path.suffix.lower() == ".csv" and codec is not None:
        from stealproof.inputs._csv import CsvPool

        _existing(spec)
        return _load(CsvPool, {"path": spec, "codec": Codec.from_dict(codec), **parameters})
    if path.is_dir() and len(domain.shape) == 3:
        parameters = {"size": domain.shape[1], "grey": domain.shape[0] == 1, **parameters}
    if not _python.is_function(spec):
        parameters = {"pool_fraction": 1.0, **parameters}
    return open_data(spec, **parameters)


def _reader(spec: str) -> type[DatasetLoader]:
    path = _existing(spec)
    if path.is_dir():
        from stealproof.inputs._folder import FolderData

        return FolderData
    refuse_pickle(path, PICKLE_ADVICE)
    if path.suffix.lower() == ".npz":
        from stealproof.inputs._npz import NpzData

        return NpzData
    if path.suffix.lower() == ".csv":
        from stealproof.inputs._csv import CsvData

        return CsvData
    raise InvalidData(f"{path} is no kind of file that is read here; expected {KINDS}")


def _existing(spec: str) -> Path:
    """The path, when something is there; else whichever error helps: a missing file, or a misspelt name."""
    path = Path(spec).expanduser()
    if path.exists():
        return path
    if path.suffix or "/" in spec or "\\" in spec:
        refuse_pickle(path, PICKLE_ADVICE)
        raise MissingData(f"there is no file or folder {spec}; expected {KINDS}")
    raise UnknownName.among("data set", spec, catalog.names("dataset"), f"(own data: {KINDS})")


def _load(reader: type[DatasetLoader], parameters: dict[str, Any]) -> Dataset:
    dataset: Dataset = reader.make({**parameters, "path": str(Path(parameters["path"]).expanduser())}).load()
    return dataset


def _checked(dataset: Dataset, spec: str) -> Dataset:
    """A data set from a user's function, held to the same rules, with a hash of its content."""
    from stealproof.inputs._own import digest_of_arrays
    from stealproof.roles.dataset import check_rows

    for name, part in dataset.parts.items():
        check_rows(part.x, part.y, classes=dataset.classes, domain=dataset.domain, name=f"{dataset.name} {name}")
    content = [as_array(array) for name in sorted(dataset.parts) for array in _both(dataset.parts[name])]
    description = {"name": spec, "sha256": digest_of_arrays(content), **dict(dataset.description)}
    return dataclasses.replace(dataset, description=description)


def _both(part: Part) -> tuple[Any, Any]:
    return part.x, part.y
