"""Model files: ``safetensors`` with a JSON card beside it, and models from a user's own function."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy
import safetensors.torch
import torch

from stealproof import catalog
from stealproof.errors import InputError, InvalidData, MissingData, StealproofError
from stealproof.files import sha256_file, write_atomic
from stealproof.inputs import _python
from stealproof.inputs._card import FORMAT, card_path, decode_domain, encode_card, encode_domain, read_card, versions
from stealproof.inputs._estimators import arrays_of, estimator_of
from stealproof.inputs._layers import build_layers, describe_layers, refuse_unknown
from stealproof.inputs._pickles import refuse_pickle
from stealproof.measures.estimate import Estimate
from stealproof.oracle import Domain
from stealproof.training.trained import Trained

SUFFIX = ".safetensors"
KINDS = "a .safetensors file with its card, or package.module:function returning a network or estimator"


def save_model(trained: Trained, path: Path, *, accuracy: Estimate | None = None) -> Path:
    """Write the weights to ``path`` and the card beside them; each file is replaced as a whole.

    Args:
        trained: a network of a known family or of standard layers, or a linear model, tree or forest of scikit-learn.
        path: ends in ``.safetensors``.
        accuracy: on held-out rows, for the card.

    Raises:
        InputError: another suffix, or a model that can't be written as plain arrays.
        StorageError: the disk refuses; files that were there stay as they were.
    """
    if path.suffix != SUFFIX:
        raise InputError(f"a model is saved as {SUFFIX}, got {path.name}; name it {path.stem}{SUFFIX}")
    weights, structure = _network_bytes(trained) if trained.is_network else _estimator_bytes(trained)
    card = {
        **trained.card,
        **structure,
        "format": FORMAT,
        "domain": encode_domain(trained.domain),
        "classes": trained.classes,
        "versions": versions(),
    }
    if accuracy is not None:
        card["accuracy"] = accuracy.as_dict()
    # The hash in the card tells a reader when the second of the two writes did not happen.
    write_atomic(path, weights)
    card["weights"] = {"file": path.name, "sha256": sha256_file(path)}
    write_atomic(card_path(path), encode_card(card))
    return path


def open_model(spec: str, *, domain: Domain | None = None, classes: int | None = None) -> Trained:
    """The model behind ``spec``.

    Args:
        spec: a ``.safetensors`` file with its card, or ``package.module:function``, which is called without
            arguments and returns a ``torch.nn.Module``, a fitted scikit-learn classifier or a ``Trained``.
        domain: legal inputs of a function's model; a card has its own.
        classes: number of classes of a function's model; a card has its own.

    Raises:
        UnsafeFile: a pickle.
        MissingData: nothing is there.
        InvalidData: damaged or inconsistent files, or a function that returns something else.
    """
    if _python.is_function(spec):
        return trained_from(_python.call(spec), spec, domain=domain, classes=classes)
    path = Path(spec).expanduser()
    refuse_pickle(path)
    if not path.is_file():
        raise MissingData(f"there is no model file {spec}; expected {KINDS}")
    if path.suffix != SUFFIX:
        raise InvalidData(f"{path} is no kind of model that is read here; expected {KINDS}")
    card = read_card(card_path(path))
    try:
        expected = str(card["weights"]["sha256"])
        opened = decode_domain(card["domain"]), int(card["classes"])
        structure = str(card["kind"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidData(f"{card_path(path)} lacks a field or has it wrong: {error}") from error
    found = sha256_file(path)
    if found != expected:
        raise InvalidData(
            f"{path} is not what its card describes: expected SHA-256 {expected[:16]}..., got {found[:16]}...;"
            " save the model again"
        )
    try:
        model = _network(path, card, *opened) if structure == "network" else _estimator(path, card, opened[0])
    except safetensors.SafetensorError as error:
        raise InvalidData(f"{path} is no safetensors file ({error})") from error
    return Trained(model=model, domain=opened[0], classes=opened[1], card=card)


def _network_bytes(trained: Trained) -> tuple[bytes, dict[str, Any]]:
    model: torch.nn.Module = trained.model
    # A clone of its own for each, since layers may share memory, which the format does not know.
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    layers = describe_layers(model)
    if layers is None and not _rebuilds(trained, state):
        raise refuse_unknown(model)
    return safetensors.torch.save(state), {"kind": "network", "layers": layers}


def _rebuilds(trained: Trained, state: Mapping[str, torch.Tensor]) -> bool:
    """Whether the family in the card builds a network with these weights."""
    if "family" not in trained.card:
        return False
    built = _from_family(trained.card["family"], trained.domain, trained.classes)
    mine = {name: tensor.shape for name, tensor in built.state_dict().items()}
    return type(built) is type(trained.model) and mine == {name: tensor.shape for name, tensor in state.items()}


def _from_family(family: Any, domain: Domain, classes: int) -> torch.nn.Module:
    try:
        name, stored = str(family["name"]), dict(family["parameters"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidData(f"the card's family has no name or no parameters: {error}") from error
    parameters = {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()}
    built: torch.nn.Module = catalog.make(name, "model", **parameters).build(domain.shape, classes, torch.Generator())
    return built


def _network(path: Path, card: Mapping[str, Any], domain: Domain, classes: int) -> torch.nn.Module:
    state = safetensors.torch.load_file(path)
    layers = card.get("layers")
    model = build_layers(layers) if layers is not None else _from_family(card.get("family"), domain, classes)
    floats = [tensor for tensor in state.values() if tensor.is_floating_point()]
    if not all(bool(tensor.isfinite().all()) for tensor in floats):
        raise InvalidData(f"{path} has weights that are NaN or infinite")
    try:
        model.to(floats[0].dtype if floats else torch.float32).load_state_dict(state)
        with torch.inference_mode():
            answer = model.eval()(torch.zeros(1, *domain.shape, dtype=floats[0].dtype if floats else torch.float32))
    except (RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidData(f"{path} does not hold the network that its card describes: {reason}") from error
    if answer.shape != (1, classes):
        raise InvalidData(f"{path} answers {tuple(answer.shape)[1:]} numbers for one input, expected {classes} logits")
    return model


def _estimator_bytes(trained: Trained) -> tuple[bytes, dict[str, Any]]:
    kind, arrays = arrays_of(trained.model)
    return safetensors.numpy.save(arrays), {"kind": "estimator", "estimator": kind}


def _estimator(path: Path, card: Mapping[str, Any], domain: Domain) -> Any:
    return estimator_of(str(card.get("estimator")), safetensors.numpy.load_file(path), math.prod(domain.shape))


def trained_from(returned: Any, spec: str, *, domain: Domain | None, classes: int | None) -> Trained:
    """What the function behind ``spec`` returned, as a model; see ``open_model``."""
    if isinstance(returned, Trained):
        return returned
    network = isinstance(returned, torch.nn.Module)
    if not network and not hasattr(returned, "predict"):
        raise InvalidData(
            f"{spec} returned {type(returned).__name__}, expected a torch.nn.Module, a fitted scikit-learn classifier"
            " or a Trained"
        )
    if not network and classes is None and hasattr(returned, "classes_"):
        classes = len(returned.classes_)
    if domain is None or classes is None:
        raise InvalidData(f"{spec} does not tell its inputs and classes; name the data that it is for with --data")
    if network:
        _try_out(spec, returned, domain, classes)
    return Trained(model=returned, domain=domain, classes=classes, card={"function": spec})


def _try_out(spec: str, model: torch.nn.Module, domain: Domain, classes: int) -> None:
    """Refuse a network that does not map one input to one row of logits."""
    weights = next((tensor for tensor in model.parameters() if tensor.is_floating_point()), torch.zeros(()))
    try:
        with torch.inference_mode():
            answer = model.eval()(torch.zeros(1, *domain.shape, dtype=weights.dtype, device=weights.device))
    except StealproofError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidData(f"the network of {spec} fails on an input of shape {domain.shape}: {reason}") from error
    if not isinstance(answer, torch.Tensor) or tuple(answer.shape) != (1, classes):
        shape = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
        raise InvalidData(
            f"the network of {spec} answers {shape} for one input, expected logits of shape (1, {classes})"
        )
