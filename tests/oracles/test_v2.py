from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from stealproof.oracles._v2 import (
    DTYPES,
    HEADER_LENGTH,
    Tensor,
    decode_response,
    encode_request,
    error_of,
    from_datatype,
    parse_metadata,
    to_datatype,
)

small = hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=st.integers(0, 100))


def as_reply(body: bytes, header_length: str | None) -> tuple[bytes, str | None]:
    """A request turned into the reply of a model that echoes its inputs."""
    length = len(body) if header_length is None else int(header_length)
    said = json.loads(body[:length])
    head = json.dumps({"outputs": said["inputs"]}).encode()
    return head + body[length:], None if header_length is None else str(len(head))


def test_a_binary_request_byte_by_byte() -> None:
    tensor = Tensor(name="x", datatype="FP32", shape=(-1, 2))
    body, headers = encode_request(np.asarray([[1.0, -2.0]]), tensor, "p", binary=True)
    head = (
        b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}],'
        b' "outputs": [{"name": "p", "parameters": {"binary_data": true}}]}'
    )
    assert body == head + b"\x00\x00\x80\x3f\x00\x00\x00\xc0"
    assert headers == {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}


def test_a_json_request() -> None:
    tensor = Tensor(name="x", datatype="INT64", shape=(-1, 2))
    body, headers = encode_request(np.asarray([[1.2, 6.9]]), tensor, None, binary=False)
    assert json.loads(body) == {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "INT64", "data": [1, 7]}]}
    assert headers == {"Content-Type": "application/json"}


@given(x=small, datatype=st.sampled_from(sorted(set(DTYPES) - {"BOOL"})), binary=st.booleans())
def test_tensors_survive_the_journey(x: NDArray[np.float32], datatype: str, binary: bool) -> None:
    tensor = Tensor(name="x", datatype=datatype, shape=(-1, *x.shape[1:]))
    body, headers = encode_request(x, tensor, None, binary=binary)
    found = decode_response(*as_reply(body, headers.get(HEADER_LENGTH)))
    np.testing.assert_array_equal(found["x"], x)


@given(x=hnp.arrays(np.float32, 8, elements=st.floats(-1e6, 1e6, width=32)))
def test_bfloat16_rounds_as_torch_does(x: NDArray[np.float32]) -> None:
    expected = torch.from_numpy(x).to(torch.bfloat16).to(torch.float32).numpy()
    np.testing.assert_array_equal(from_datatype(to_datatype(x, "BF16"), "BF16"), expected)


def test_texts_between_binary_outputs_are_skipped() -> None:
    outputs: list[dict[str, Any]] = [
        {"name": "t", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}},
        {"name": "y", "datatype": "FP32", "shape": [1, 1], "parameters": {"binary_data_size": 4}},
    ]
    head = json.dumps({"outputs": outputs}).encode()
    found = decode_response(head + b"\x01\0\0\0a" + b"\0\0\x80\x3f", str(len(head)))
    assert list(found) == ["y"]
    np.testing.assert_array_equal(found["y"], [[1.0]])


def test_nested_lists_are_read_too() -> None:
    said = {"outputs": [{"name": "y", "datatype": "FP64", "shape": [2, 2], "data": [[1, 2], [3, 4]]}]}
    np.testing.assert_array_equal(decode_response(json.dumps(said).encode(), None)["y"], [[1, 2], [3, 4]])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
tensors = st.fixed_dictionaries(
    {"name": st.just("y") | json_values, "datatype": st.sampled_from([*DTYPES, "BYTES"]) | json_values},
    optional={
        "shape": st.lists(st.integers(-2, 3) | st.integers(), max_size=3) | json_values,
        "data": st.lists(st.integers(0, 3) | st.floats(), max_size=4) | json_values,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 9) | json_values})
        | json_values,
    },
)


@given(
    outputs=st.lists(tensors, max_size=2) | json_values,
    tail=st.binary(max_size=8),
    length=st.none() | st.integers(-1, 9) | st.just("head"),
)
def test_whatever_a_server_says_is_an_answer_or_a_value_error(outputs: Any, tail: bytes, length: Any) -> None:
    head = json.dumps({"outputs": outputs}).encode()
    header = str(len(head)) if length == "head" else None if length is None else str(length)
    with contextlib.suppress(ValueError):
        decode_response(head + tail, header)
    with contextlib.suppress(ValueError):
        parse_metadata(json.dumps({"inputs": outputs}).encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b'{"error": "no\\n such  model"}', "no such model"), (b"<html>", ""), (b"{}", ""), (b'{"error": null}', "")],
)
def test_what_a_server_says_is_wrong_in_one_line(body: bytes, expected: str) -> None:
    assert error_of(body) == expected
    assert len(error_of(json.dumps({"error": "a" * 1000}).encode())) == 200
