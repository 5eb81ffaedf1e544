"""The messages of the Open Inference Protocol, version 2, with tensors as JSON or as binary data behind the JSON.

Protocol: https://github.com/kserve/open-inference-protocol. Under the binary tensor data extension a body is the JSON
object followed by the raw tensors (little-endian, row major) in order, and the header
``Inference-Header-Content-Length`` tells how long the JSON is. Pure functions; ``ValueError`` says what is wrong with
a message that a server sent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""Protocol name -> how one element lies in memory. NumPy has no bfloat16: its 16 bits are the upper half of float32."""
FLOATS = frozenset({"FP16", "BF16", "FP32", "FP64"})
INTEGERS = frozenset(DTYPES) - FLOATS - {"BOOL"}
LONGEST_NAME = 200
"""Most characters of a tensor's name, which errors quote."""
HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """What a model's metadata say of one input or output."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1 for an open axis; the first axis is the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The inputs and outputs of a model; a server may leave either out."""

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()


def parse_metadata(body: bytes) -> Metadata:
    """The answer to ``GET …/v2/models/NAME``."""
    said = parse_object(body)
    parts: dict[str, tuple[Tensor, ...]] = {}
    for part in ("inputs", "outputs"):
        listed = said.get(part) or []
        if not isinstance(listed, list):
            raise ValueError(f"expected a list of {part}, got {_short(listed)}")
        parts[part] = tuple(_tensor(item) for item in listed)
    return Metadata(**parts)


def encode_request(
    x: NDArray[Any], tensor: Tensor, output: str | None, *, binary: bool
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one inference request for ``x`` ``(n, …)``, asking for ``output`` (None: whatever comes)."""
    raw = to_datatype(x, tensor.datatype)
    entry: dict[str, Any] = {"name": tensor.name, "shape": list(x.shape), "datatype": tensor.datatype}
    request: dict[str, Any] = {"inputs": [entry]}
    if output is not None:
        request["outputs"] = [{"name": output, "parameters": {"binary_data": True}} if binary else {"name": output}]
    elif binary:
        request["parameters"] = {"binary_data_output": True}
    if not binary:
        values = from_datatype(raw, tensor.datatype) if tensor.datatype == "BF16" else raw
        entry["data"] = values.ravel().tolist()
        return json.dumps(request).encode(), {"Content-Type": "application/json"}
    data = raw.tobytes()
    entry["parameters"] = {"binary_data_size": len(data)}
    head = json.dumps(request).encode()
    return head + data, {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}


def decode_response(body: bytes, header_length: str | None) -> dict[str, NDArray[Any]]:
    """The numeric outputs by name; ``header_length`` is the value of ``HEADER_LENGTH``, None for plain JSON."""
    length = len(body)
    if header_length is not None:
        if not header_length.isdecimal() or int(header_length) > len(body):
            raise ValueError(f"{HEADER_LENGTH} is {header_length[:20]!r} in a body of {len(body)} bytes")
        length = int(header_length)
    said, position = parse_object(body[:length]), length
    outputs = said.get("outputs")
    if not isinstance(outputs, list):
        raise ValueError(f"expected a list of outputs, got {_short(outputs)}")
    found: dict[str, NDArray[Any]] = {}
    for output in outputs:
        tensor = _tensor(output)
        if any(size < 0 for size in tensor.shape):
            raise ValueError(f"output {tensor.name} has the shape {tensor.shape}")
        parameters = output.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        chunk = None
        if size is not None:
            if not isinstance(size, int) or size < 0 or position + size > len(body):
                raise ValueError(f"output {tensor.name} has {_short(size)} binary bytes, {len(body) - position} came")
            chunk, position = body[position : position + size], position + size
        if tensor.datatype in DTYPES:
            found[tensor.name] = _binary(tensor, chunk) if chunk is not None else _listed(tensor, output.get("data"))
    return found


def to_datatype(x: NDArray[Any], datatype: str) -> NDArray[Any]:
    """``x`` as elements of ``datatype``; integers are rounded to the nearest, bfloat16 to nearest even."""
    dtype = DTYPES[datatype]
    if datatype == "BF16":
        bits = np.ascontiguousarray(x, dtype="<f4").view("<u4")
        return np.asarray((bits + 0x7FFF + (bits >> 16 & 1)) >> 16, dtype=dtype)
    return np.ascontiguousarray(x if datatype in FLOATS else np.rint(x), dtype=dtype)


def from_datatype(raw: NDArray[Any], datatype: str) -> NDArray[Any]:
    """Elements of ``datatype`` as NumPy numbers; the half precisions become float32."""
    if datatype == "BF16":
        return (raw.astype("<u4") << 16).view("<f4")
    return raw.astype(np.float32) if datatype == "FP16" else raw


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON object; ``ValueError`` for anything else."""
    try:
        said = json.loads(body)
    except RecursionError as error:
        raise ValueError("malformed JSON: nested too deep") from error
    except ValueError as error:
        raise ValueError(f"malformed JSON: {error}") from error
    if not isinstance(said, dict):
        raise ValueError(f"expected a JSON object, got {_short(said)}")
    return said


def _tensor(said: Any) -> Tensor:
    match said:
        case {"name": str(name), "datatype": str(datatype), "shape": list(shape)} if (
            len(name) <= LONGEST_NAME and len(datatype) <= LONGEST_NAME and all(map(_is_size, shape))
        ):
            return Tensor(name=name, datatype=datatype, shape=tuple(shape))
    raise ValueError(f"expected a tensor with name, datatype and shape, got {_short(said)}")


def _is_size(size: Any) -> bool:
    """Whether this may be an axis: -1, or a length that fits into memory."""
    return isinstance(size, int) and -1 <= size < 2**31


def _binary(tensor: Tensor, chunk: bytes) -> NDArray[Any]:
    expected = math.prod(tensor.shape) * DTYPES[tensor.datatype].itemsize
    if len(chunk) != expected:
        raise ValueError(f"output {tensor.name} of shape {tensor.shape} needs {expected} bytes, got {len(chunk)}")
    raw = np.frombuffer(chunk, dtype=DTYPES[tensor.datatype])
    return from_datatype(raw, tensor.datatype).reshape(tensor.shape)


def _listed(tensor: Tensor, data: Any) -> NDArray[Any]:
    """Data in JSON: a flat list, or nested ones."""
    dtype = np.dtype(np.float32) if tensor.datatype in ("BF16", "FP16") else DTYPES[tensor.datatype]
    try:
        if not isinstance(data, list):
            raise TypeError
        with np.errstate(over="ignore"):
            # Too large for the type reads as infinity, which no check of answers lets pass.
            values = np.asarray(data, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"output {tensor.name} holds no {tensor.datatype} numbers but {_short(data)}") from error
    if values.size != math.prod(tensor.shape):
        raise ValueError(f"output {tensor.name} of shape {tensor.shape} came with {values.size} numbers")
    return values.reshape(tensor.shape)


def error_of(body: bytes) -> str:
    """What a server says is wrong: its ``error`` field, in one short line; empty when there is none."""
    try:
        said: Mapping[str, Any] = parse_object(body)
    except ValueError:
        return ""
    return " ".join(str(said.get("error") or "").split())[:200]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
