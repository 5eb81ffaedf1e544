"""Workshop: the data sets and victims that experiments share, each made once."""

from __future__ import annotations

import dataclasses
import json
import logging
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from stealproof import catalog
from stealproof.errors import InputError, UnknownName
from stealproof.files import sha256_file
from stealproof.inputs.data import Pool, open_data, open_pool
from stealproof.inputs.model import open_model, save_model
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Dataset
from stealproof.studies.sources import key_of
from stealproof.studies.store import Store
from stealproof.studies.study import thawed
from stealproof.training.recipe import Recipe
from stealproof.training.suited import suited_recipe
from stealproof.training.trained import Trained, train

T = TypeVar("T")


log = logging.getLogger(__name__)


class Workshop:
    """Opens data sets and trains victims; what was made before, here or in another process, is not made again."""

    def __init__(self, store: Store) -> None:
        """Victims are kept in ``store``; data sets in memory."""
        self.store = store
        self._datasets: dict[str, Dataset] = {}
        self._pools: dict[str, Pool] = {}
        self._victims: dict[str, Trained] = {}
        self._last: tuple[str, Any] = ("", None)
        self._memories: dict[str, dict[Any, Any]] = {}

    def once(self, description: Mapping[str, Any], make: Callable[[], T]) -> T:
        """What ``make`` gave when it was last called for this description in a row; only the last one is kept.

        Neighbouring cells of a study need the same, and it may be large.
        """
        key = json.dumps(description, sort_keys=True)
        if self._last[0] != key:
            self._last = ("", None)
            self._last = (key, make())
        found: T = self._last[1]
        return found

    def memory(self, description: Mapping[str, Any]) -> dict[Any, Any]:
        """A place, empty at first, for what is found about what ``description`` determines; the process keeps it."""
        return self._memories.setdefault(json.dumps(description, sort_keys=True), {})

    def dataset(self, spec: str, parameters: Mapping[str, Any] | None = None) -> Dataset:
        """The data set behind ``spec``, as ``stealproof.inputs.data.open_data`` takes it, with these parameters."""
        key = json.dumps([spec, dict(parameters or {})], sort_keys=True)
        if key not in self._datasets:
            self._datasets[key] = open_data(spec, **thawed(parameters or {}))
        return self._datasets[key]

    def pool(self, spec: str, data: Dataset, parameters: Mapping[str, Any] | None = None) -> Pool:
        """The foreign pool behind ``spec``, brought into the shape of ``data``, whose test part it must not overlap.

        Raises:
            InvalidData: it does not fit, or it overlaps.
        """
        key = json.dumps([spec, dict(parameters or {}), dict(data.description)], sort_keys=True)
        if key not in self._pools:
            found = open_pool(spec, domain=data.domain, data=data, **thawed(parameters or {}))
            assert found is not None
            self._pools[key] = found
        return self._pools[key]

    def victim(
        self,
        model: str,
        data: str,
        *,
        model_parameters: Mapping[str, Any] | None = None,
        data_parameters: Mapping[str, Any] | None = None,
        recipe: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> Trained:
        """The family ``model``, trained on the owner's part of ``data``; the same arguments give the same model.

        Args:
            model: catalog name of the family.
            data: see ``dataset``.
            model_parameters: of the family's constructor.
            data_parameters: of the data set.
            recipe: fields of ``Recipe`` that replace those of the measured default for this family and many rows.
            seed: of the training.

        Raises:
            UnknownName: no such family, data set or parameter.
            StorageError: the model could not be stored.
        """
        description = {
            "model": model,
            "model_parameters": dict(model_parameters or {}),
            "data": data,
            "data_parameters": dict(data_parameters or {}),
            "recipe": dict(recipe or {}),
            "seed": seed,
        }
        key = key_of("victim", description, roots=("stealproof.training.trained",))
        with self.store.lock("victims", key):
            found = self.stored(key)
            if found is None:
                family = catalog.make(model, "model", **thawed(model_parameters or {}))
                found = self._trained(family, self.dataset(data, data_parameters), recipe or {}, seed)
                self.keep(key, found)
        return found

    def stored(self, key: str) -> Trained | None:
        """The model that was kept under ``key``, or None when there is none, or a damaged one (which is logged)."""
        if key in self._victims:
            return self._victims[key]
        entry = self.store.read("victims", key)
        if entry is None:
            return None
        path = self.store.path("models", key, ".safetensors")
        try:
            if _digests(path) != entry:
                raise InputError("its digest is another")
            self._victims[key] = open_model(str(path))
        except (InputError, OSError) as error:
            log.warning("the stored model %s is damaged (%s); training it again", path, error)
            return None
        return self._victims[key]

    def keep(self, key: str, trained: Trained) -> None:
        """Keep a model under ``key``, in memory and, if its kind has a safe file format, in the store.

        Raises:
            StorageError: the disk refuses.
        """
        self._victims[key] = trained
        path = self.store.path("models", key, ".safetensors")
        try:
            save_model(trained, path)
        except InputError as error:
            # A kind of model without a safe file format is trained again by each process.
            log.info("the model is not stored: %s", error)
        else:
            self.store.write("victims", key, _digests(path))

    def _trained(self, family: Any, data: Dataset, changes: Mapping[str, Any], seed: int) -> Trained:
        # Estimators have no recipe; ``train`` says so when one is given.
        base = suited_recipe(family, len(data.train)) if isinstance(family, NetworkFamily) else Recipe()
        return train(family, data, recipe=adapted(base, changes) if changes else None, seed=seed)


def _digests(path: Path) -> dict[str, str]:
    """What a stored model must still be: its weights and its card."""
    return {"weights": sha256_file(path), "card": sha256_file(path.with_suffix(".json"))}


def adapted(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """``recipe`` with some fields changed.

    Raises:
        UnknownName: no such field.
        InputError: a value of a wrong type, or one that can't train anything.
    """
    hints = typing.get_type_hints(Recipe)
    for key, value in changes.items():
        if key not in hints:
            raise UnknownName.among("field of a recipe", key, hints)
        choices = typing.get_args(hints[key])
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if (choices and value not in choices) or (not choices and not number):
            expected = " or ".join(map(repr, choices)) if choices else "a number"
            raise InputError(f"the recipe's {key} must be {expected}, got {value!r}")
    return dataclasses.replace(recipe, **changes)
