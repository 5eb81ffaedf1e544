"""Data that a user names: a data set of the catalog, or their own."""

from __future__ import annotations

from typing import Any

from stealproof import catalog
from stealproof.roles.dataset import Dataset


def open_data(spec: str, **parameters: Any) -> Dataset:
    """The data set behind ``spec``: a catalog name."""
    dataset: Dataset = catalog.make(spec, "dataset", **parameters).load()
    return dataset
