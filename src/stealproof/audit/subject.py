"""The subject of an audit: the model, opened or trained first, and how the study's cells are to open it again."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stealproof import catalog
from stealproof.audit._kinds import kinds_of
from stealproof.audit.document import Target
from stealproof.errors import InputError, InvalidData, UnknownName
from stealproof.inputs.model import open_model
from stealproof.inputs.oracle import narrow, open_oracle
from stealproof.measures.agreement import agreement
from stealproof.measures.intervals import proportion
from stealproof.oracle import Access, Answer, Oracle, as_array
from stealproof.roles.dataset import Dataset
from stealproof.studies.workshop import Workshop

DEFAULT_DATA, DEFAULT_FAMILY = "digits", "mlp"
"""What is audited when nothing was named: small, embedded in scikit-learn, trained in seconds."""
TOKEN = "STEALPROOF_TOKEN"
"""Environment variable with the token that a URL wants; the theft experiment reads it as well."""
REMOTE_ROWS = 1_000
"""Held-out inputs that a victim behind a URL is examined on: each costs its price, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An opened model."""

    name: str
    kind: str
    """In words."""
    kinds: tuple[str, ...]
    """In the words of ``Extraction.victims``; empty when unknown."""
    arguments: Mapping[str, Any]
    """How the theft experiment opens it: ``data`` and ``victim`` or ``target``."""
    oracle: Oracle
    """With all that it gives."""
    open: Callable[[Access | None], Oracle]
    """The same model as a client sees it who has this access; ``AccessDenied`` when it gives less."""
    data: Dataset
    remote: bool = False
    """Whether asking it costs somebody something."""

    def target(self) -> Target:
        """What the report says of it; asks it about the held-out rows once."""
        test = self.data.parts.get("test")
        if test is not None and self.remote:
            test = test.take(slice(REMOTE_ROWS))
        accuracy = constant = None
        if test is not None:
            predicted = self.oracle.ask(test.x).predicted
            accuracy = agreement(predicted, as_array(test.y))
            constant = proportion(int(np.bincount(predicted).max()), len(predicted))
        return Target(
            name=self.name,
            kind=self.kind,
            data=self.data.name,
            classes=self.oracle.classes,
            shape=self.oracle.domain.shape,
            accuracy=accuracy,
            constant=constant,
        )


def open_subject(
    model: str,
    data: str,
    workshop: Workshop,
    *,
    model_parameters: Mapping[str, Any],
    data_parameters: Mapping[str, Any],
    target_options: Mapping[str, Any],
    seed: int,
    progress: Callable[[str, float], None],
) -> Subject:
    """Open data and model; a family of the catalog is trained first, with ``seed``.

    Args:
        model: a family, a file, a URL or ``package.module:function``; empty for a small network on digits.
        data: a data set or the caller's own; empty for what the model's card says.
        workshop: keeps the trained victim.
        model_parameters: of a family's constructor.
        data_parameters: of the data set or reader.
        target_options: of the oracle of a URL or ONNX file.
        seed: of the training.
        progress: called with what is being done.

    Raises:
        InputError: unknown names, a model without data, damaged or unsafe files.
    """
    family = not model or _is_family(model)
    if model_parameters and not family:
        raise InputError(f"{model} is trained already and takes no parameters, got {next(iter(model_parameters))!r}")
    if target_options and family:
        raise InputError(f"a model trained here takes no options of a connection, got {next(iter(target_options))!r}")
    named = data or ("" if family else data_of_card(model))
    if model and not named:
        raise InputError(
            f"auditing {model} needs the data that it is for; name them with --data (a data set of `stealproof list"
            " dataset`, a .npz or .csv file, a folder of images, or package.module:function)"
        )
    progress("opening the data", 0.0)
    spec = named or DEFAULT_DATA
    opened = workshop.dataset(spec, data_parameters)
    common = {"data": spec} | ({"data_parameters": dict(data_parameters)} if data_parameters else {})
    if not family:
        progress(f"opening {model}", 0.0)
        return _opened(model, common, opened, target_options)
    name = catalog.find(model or DEFAULT_FAMILY, "model").name
    progress(f"training the victim ({name})", 0.0)
    trained = workshop.victim(name, spec, model_parameters=model_parameters, data_parameters=data_parameters, seed=seed)
    more = {"victim_parameters": dict(model_parameters)} if model_parameters else {}
    return Subject(
        name=f"{name} on {opened.name}",
        kind=f"{_first_words(catalog.find(name, 'model').summary)}, trained for this audit",
        kinds=kinds_of(trained.model),
        arguments={**common, **more, "victim": name, "victim_seed": seed},
        oracle=trained.oracle(),
        open=lambda access: narrow(trained, access),
        data=opened,
    )


def data_of_card(model: str) -> str:
    """The data set of the catalog that a model file was trained on as it is, by its card; empty when it names none."""
    if not model.endswith(".safetensors"):
        return ""
    named = open_model(model).card.get("data")
    if not isinstance(named, Mapping) or named.get("name") not in catalog.names("dataset"):
        return ""
    defaults = catalog.make(str(named["name"]), "dataset").parameters()
    parameters = {key: tuple(v) if isinstance(v, list) else v for key, v in (named.get("parameters") or {}).items()}
    return str(named["name"]) if defaults | parameters == defaults else ""


def _opened(model: str, common: Mapping[str, Any], data: Dataset, options: Mapping[str, Any]) -> Subject:
    remote = model.startswith(("http://", "https://"))
    token = os.environ.get(TOKEN) if remote else None
    connection: dict[str, Any] = dict(options) | ({"token": token} if token else {})

    def opened(access: Access | None) -> Oracle:
        return open_oracle(model, data=data, access=access, **connection)

    # The oracle checks that model and data fit, and refuses what is no model.
    oracle = opened(None)
    kinds: tuple[str, ...] = ()
    if remote:
        kind = "model behind an HTTP interface"
    elif model.lower().endswith(".onnx"):
        kind = "ONNX file"
    else:
        # A function may return an oracle of its own; only the plan would have liked to know more.
        with contextlib.suppress(InvalidData):
            kinds = kinds_of(open_model(model, domain=data.domain, classes=data.classes).model)
        kind = " and ".join(kinds) or "model of unknown kind"
    return Subject(
        name=os.path.basename(model.rstrip("/")) or model,
        kind=kind,
        kinds=kinds,
        arguments={**common, "target": model} | ({"target_options": dict(options)} if options else {}),
        oracle=oracle,
        open=opened,
        data=data,
        remote=remote,
    )


def _is_family(model: str) -> bool:
    """Whether ``model`` is a family's name; a bare word that is none is an error that suggests the nearest."""
    families = catalog.names("model")
    if model.replace("-", "_") in families:
        return True
    if re.fullmatch(r"[A-Za-z][\w-]*", model) and not os.path.exists(model):
        raise UnknownName.among(
            "model family", model, families, "(a model of your own is a file, a URL or package.module:function)"
        )
    return False


def spelled(access: Access) -> str:
    """An access as the command line writes it: ``probabilities:2``."""
    name = f"top-{access.top_k}" if access.answer is Answer.TOP_K else str(access.answer)
    return name if access.decimals is None else f"{name}:{access.decimals}"


def _first_words(summary: str) -> str:
    """The summary of a family up to its first comma or colon, as part of a sentence."""
    words = re.split(r"[,:;]", summary)[0].rstrip(".")
    name_like = words.split(" ")[0][1:].lower() != words.split(" ")[0][1:]
    return words if name_like else words[:1].lower() + words[1:]
