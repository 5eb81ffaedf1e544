"""Networks as lists of standard layers, so that any surrogate made of those can be written down without its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from stealproof.attacks.extraction._leaf_boxes import LeafBoxes
from stealproof.attacks.removal._preprocess import PREPROCESSORS, Preprocessor
from stealproof.errors import InputError, InvalidData
from stealproof.models.resnet import Block

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "AdaptiveAvgPool2d": ("output_size",),
    "AvgPool2d": ("kernel_size", "stride", "padding"),
    "BatchNorm1d": ("num_features", "eps", "momentum"),
    "BatchNorm2d": ("num_features", "eps", "momentum"),
    "Conv2d": ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"),
    "Dropout": ("p",),
    "Flatten": ("start_dim", "end_dim"),
    "GELU": (),
    "GroupNorm": ("num_groups", "num_channels", "eps"),
    "Identity": (),
    "LayerNorm": ("normalized_shape", "eps"),
    "LeakyReLU": ("negative_slope",),
    "Linear": ("in_features", "out_features"),
    "LogSigmoid": (),
    "LogSoftmax": ("dim",),
    "MaxPool2d": ("kernel_size", "stride", "padding"),
    "ReLU": (),
    "Sigmoid": (),
    "SiLU": (),
    "Softplus": (),
    "Tanh": (),
}
"""Layer of ``torch.nn`` -> the constructor arguments that are attributes of the same name."""
OWN: Mapping[str, type[torch.nn.Module]] = {"Block": Block, **PREPROCESSORS}
"""Layer of stealproof's own -> its class, whose constructor arguments are its ``arguments``."""
MOST_LAYERS = 10_000


def describe_layers(model: torch.nn.Module) -> list[dict[str, Any]] | None:
    """The layers of a (nested) ``Sequential`` of standard layers, in JSON types; None for any other network."""
    if isinstance(model, torch.nn.Sequential):
        inner = [describe_layers(child) for child in model]
        if any(layers is None for layers in inner):
            return None
        return [{"layer": "Sequential", "layers": [one for layers in inner if layers for one in layers]}]
    if type(model) is LeafBoxes:
        return [{"layer": "LeafBoxes", "shapes": [list(buffer.shape) for buffer in model.buffers()]}]
    name = type(model).__name__
    if isinstance(model, Block | Preprocessor) and type(model) is OWN.get(name):
        return [{"layer": name, **model.arguments}]
    if name not in ARGUMENTS or type(model) is not getattr(torch.nn, name):
        return None
    if any(getattr(model, flag, 0) for flag in ("_forward_hooks", "_forward_pre_hooks", "parametrizations")):
        return None
    described = {"layer": name} | {key: _plain(getattr(model, key)) for key in ARGUMENTS[name]}
    if name in ("Conv2d", "Linear"):
        described["bias"] = model.bias is not None
    return [described]


def build_layers(described: Any) -> torch.nn.Module:
    """The inverse of ``describe_layers``, with undrawn weights.

    Raises:
        InvalidData: no list of layers that are known here.
    """
    if not isinstance(described, list) or len(described) != 1:
        raise InvalidData("expected one layer or Sequential in the card's layers")
    # The constructors draw weights, which are then replaced; nobody's generator may notice.
    with torch.random.fork_rng(devices=[]):
        return _build(described[0], depth=0)


def _build(layer: Any, depth: int) -> torch.nn.Module:
    if not isinstance(layer, dict) or depth > 8:
        raise InvalidData("the card's layers are no list of layers")
    arguments = dict(layer)
    name = arguments.pop("layer", None)
    if name == "Sequential":
        inner = arguments.get("layers")
        if not isinstance(inner, list) or len(inner) > MOST_LAYERS:
            raise InvalidData("the card's layers are no list of layers")
        return torch.nn.Sequential(*[_build(child, depth + 1) for child in inner])
    if name == "LeafBoxes":
        return _leaf_boxes(arguments.get("shapes"))
    if name in OWN:
        return _construct(OWN[name], arguments)
    if name not in ARGUMENTS or not set(arguments) <= {*ARGUMENTS[name], "bias"}:
        raise InvalidData(
            f"the card names a layer {name!r} that is not known here; expected one of {sorted([*ARGUMENTS, *OWN])}"
        )
    return _construct(getattr(torch.nn, name), arguments)


def _construct(kind: type[torch.nn.Module], arguments: Mapping[str, Any]) -> torch.nn.Module:
    """One layer; arguments that it does not take are the card's fault."""
    try:
        return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()})
    except (InputError, TypeError, ValueError, RuntimeError, MemoryError, OverflowError) as error:
        raise InvalidData(f"the card's layer {kind.__name__} can't be built: {error}") from error


def _leaf_boxes(shapes: Any) -> torch.nn.Module:
    """A recovered decision tree whose boxes are yet to be loaded."""
    try:
        low, high, distributions = (np.zeros(tuple(shape)) for shape in shapes)
    except (TypeError, ValueError, MemoryError) as error:
        raise InvalidData(f"the card's LeafBoxes can't be built: {error}") from error
    return LeafBoxes(low, high, distributions)


def refuse_unknown(model: torch.nn.Module) -> InputError:
    """The error for a network that can neither be described nor rebuilt by a family."""
    return InputError(
        f"{type(model).__name__} can't be saved: it is neither of the family that it was said to be nor a Sequential"
        " of standard layers; use it from Python, or export it to ONNX"
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
