"""What an ONNX file is allowed to be before a runtime loads it: complete, and reading nothing outside its folder.

An ONNX file is a protocol buffer: a sequence of (key, value) fields, where a value of wire type 2 is a length and
that many bytes, which may be a message again. The walk below visits only the messages that can hold a tensor, since
a tensor may name a file that holds its data (``external_data``). Field numbers are those of ``onnx.proto``.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from stealproof.errors import InputError, InvalidData, UnsafeFile

CHILDREN: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {13: "external_data"},
}
"""Message -> field number -> message, along every path that leads to a tensor's external data."""

DEEPEST = 64
"""Most messages within each other; a deeper file is refused (onnxruntime's own limit is 100)."""

Span = tuple[int, int]


def check_onnx_file(path: Path) -> None:
    """Raise unless ``path`` is a complete ONNX model whose external weights lie in its own folder.

    Raises:
        InputError: no such file.
        UnsafeFile: a pickle or a zip archive (PyTorch's format), or a reference outside the folder.
        InvalidData: no ONNX model, a truncated one, or one whose weights file is missing.
    """
    if not path.is_file():
        raise InputError(f"no file {path}; expected an ONNX model")
    if path.stat().st_size == 0:
        raise InvalidData(f"{path} is empty; expected an ONNX model")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:1] == b"\x80" or data[:4] == b"PK\x03\x04":
            raise UnsafeFile(
                f"{path} is a pickle or a zip archive, which could run code when it is loaded;"
                " export the model with torch.onnx.export or skl2onnx"
            )
        try:
            if not any(number == 7 for number, _, _ in _fields(data, (0, len(data)))):
                raise InvalidData(f"{path} holds no graph; expected an ONNX model")
            locations = sorted(set(_locations(data, "ModelProto", (0, len(data)), 0)))
        except (ValueError, RecursionError) as error:
            raise InvalidData(f"{path} is no ONNX model or is damaged ({error}); export or copy it again") from error
    folder = path.parent.resolve()
    for location in locations:
        weights = (folder / location).resolve()
        if not weights.is_relative_to(folder):
            raise UnsafeFile(f"{path} reads its weights from {location!r}, outside its own folder; keep them beside it")
        if not weights.is_file():
            raise InvalidData(f"{path} keeps its weights in {location!r}, which is missing; put it beside the model")


def _locations(data: mmap.mmap, message: str, span: Span, depth: int) -> Iterator[str]:
    """The values of ``location`` of all external data within one message."""
    if depth > DEEPEST:
        raise ValueError("messages nested too deep")
    if message == "external_data":
        entry = {number: data[start:end] for number, start, end in _fields(data, span)}
        if entry.get(1) == b"location":
            yield entry.get(2, b"").decode("utf-8")
        return
    children = CHILDREN[message]
    for number, start, end in _fields(data, span):
        if number in children:
            yield from _locations(data, children[number], (start, end), depth + 1)


def _fields(data: mmap.mmap, span: Span) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of the value of each field of one message; ``ValueError`` when it does not parse."""
    position, end = span
    while position < end:
        key, position = _varint(data, position, end)
        number, wire = key >> 3, key & 7
        start = position
        if wire == 0:
            _, position = _varint(data, position, end)
        elif wire == 1:
            position += 8
        elif wire == 2:
            length, start = _varint(data, position, end)
            position = start + length
        elif wire == 5:
            position += 4
        else:
            raise ValueError(f"wire type {wire} at byte {start}")
        if number == 0 or position > end:
            raise ValueError(f"a field at byte {start} that ends beyond its message")
        yield number, start, position


def _varint(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    """A base-128 number, least significant group first, and the position after it."""
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError(f"a number that does not end at byte {position}")
