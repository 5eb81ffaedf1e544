"""One classifier in an ONNX file: which input takes the queries, which output holds the answers, and running it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stealproof.errors import InvalidData, UnknownName

DTYPES: dict[str, type[np.number[Any]]] = {
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
"""Types of inputs that a numeric query can be cast to."""
SCORES = frozenset(
    {
        "tensor(float16)",
        "tensor(float)",
        "tensor(double)",
        "seq(map(int64,tensor(float)))",
        "seq(map(string,tensor(float)))",
    }
)
"""Types of outputs that hold scores; skl2onnx's default is a map from class to probability for each row."""
LABELS = frozenset({"tensor(int32)", "tensor(int64)"})
"""Types of outputs that hold labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """An input or an output of a graph."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]
    """Sizes of the axes; a name or None for an open one."""

    def __str__(self) -> str:
        """In words: ``x tensor(float) (n, 4)``."""
        return f"{self.name} {self.type} ({', '.join(map(str, self.shape))})"


class OnnxGraph:
    """An opened graph. ``run`` maps queries ``(n, *shape)`` to scores ``(n, columns)`` or labels ``(n,)``."""

    def __init__(self, path: Path, *, output: str | None, threads: int) -> None:
        """``output`` names the answers when a graph has several that could be.

        Raises:
            InvalidData: onnxruntime refuses the file, or it is no classifier with one input.
            UnknownName: no output has this name.
        """
        self.path = path
        self._session, inputs, self._outputs = open_session(path, threads)
        if len(inputs) != 1 or inputs[0].type not in DTYPES or not inputs[0].shape:
            raise InvalidData(
                f"{path}: expected a graph with one numeric input (batch, …), got {_listed(inputs)};"
                " export it with a single tensor input"
            )
        self._input = inputs[0]
        self._output = self._find_output(output)
        self.names: list[Any] | None = None
        """The classes that the columns stand for, where the graph says so (a map for each row); known after a run."""

    @property
    def gives_scores(self) -> bool:
        """Whether the answers are scores; else they are labels."""
        return self._output.type in SCORES

    @property
    def dtype(self) -> type[np.number[Any]]:
        """Type of the input's elements."""
        return DTYPES[self._input.type]

    @property
    def declared_shape(self) -> tuple[int, ...]:
        """Shape of one input; ``InvalidData`` when the graph leaves an axis open."""
        shape = self._input.shape[1:]
        sizes = tuple(size for size in shape if isinstance(size, int))
        if not shape or len(sizes) != len(shape):
            raise InvalidData(f"{self.path}: the shape of the input is open ({self._input}); pass the domain")
        return sizes

    def run(self, x: NDArray[Any], *, batch: int = 1024) -> NDArray[Any]:
        """Answers to ``x``, at most ``batch`` at a time; ``InvalidData`` when the graph can't take such inputs.

        A graph with a fixed batch axis is fed that many, the last ones repeated. A flat graph takes flat images.
        """
        first, *rest = self._input.shape
        fixed = first if isinstance(first, int) else None
        if len(rest) == 1 and x.ndim > 2:
            x = x.reshape(len(x), math.prod(x.shape[1:]))
        fits = len(rest) == x.ndim - 1 and all(
            not isinstance(wanted, int) or wanted == got for wanted, got in zip(rest, x.shape[1:], strict=True)
        )
        if not fits:
            raise InvalidData(f"{self.path} takes inputs of shape {tuple(rest)}, got {x.shape[1:]}; pass that domain")
        x = (np.rint(x) if np.issubdtype(self.dtype, np.integer) else x).astype(self.dtype)
        step = fixed or batch
        parts: list[NDArray[Any]] = []
        for start in range(0, len(x), step):
            chunk = x[start : start + step]
            missing = fixed - len(chunk) if fixed else 0
            padded = np.concatenate([chunk, np.repeat(chunk[-1:], missing, axis=0)]) if missing else chunk
            parts.append(self._run_once(padded)[: len(chunk)])
        return np.concatenate(parts)

    def _run_once(self, x: NDArray[Any]) -> NDArray[Any]:
        try:
            raw = self._session.run([self._output.name], {self._input.name: x})[0]
        except Exception as error:
            # onnxruntime's exceptions have no base class of their own, and the graph is a stranger's program.
            raise InvalidData(f"{self.path} fails on inputs of shape {x.shape[1:]}: {_first_line(error)}") from error
        if isinstance(raw, list):
            self.names = sorted(raw[0]) if self.names is None else self.names
            if any(sorted(row) != self.names for row in raw):
                raise InvalidData(f"{self.path}: expected a score for each of {self.names} in every row")
            raw = np.asarray([[row[name] for name in self.names] for row in raw])
        values = np.asarray(raw)
        if values.dtype == np.float16:
            # Sums and exponents of half-precision scores are taken in single precision.
            values = values.astype(np.float32)
        if self.gives_scores and values.ndim == 1:
            values = values[:, None]
        if values.ndim != (2 if self.gives_scores else 1) or len(values) != len(x):
            kind = "scores (n, classes)" if self.gives_scores else "labels (n,)"
            raise InvalidData(
                f"{self.path}: expected {kind} in {self._output.name} for {len(x)} inputs, got {values.shape}"
            )
        return values

    def _find_output(self, name: str | None) -> Value:
        outputs = {value.name: value for value in self._outputs}
        if name is not None:
            if name not in outputs:
                raise UnknownName.among(f"output of {self.path.name}", name, outputs)
            if outputs[name].type not in SCORES | LABELS:
                raise InvalidData(f"{self.path}: output {outputs[name]} holds neither scores nor labels; name another")
            return outputs[name]
        for kind in (SCORES, LABELS):
            candidates = [value for value in self._outputs if value.type in kind]
            if len(candidates) == 1:
                return candidates[0]
            if candidates:
                raise InvalidData(
                    f"{self.path} has several outputs that could be the answers: {_listed(candidates)}; name one"
                )
        raise InvalidData(
            f"{self.path}: expected an output with scores or integer labels, got {_listed(self._outputs)}"
        )


def open_session(path: Path, threads: int) -> tuple[onnxruntime.InferenceSession, list[Value], list[Value]]:
    """An onnxruntime session on the CPU, its inputs and outputs; ``InvalidData`` when the file does not load."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        # Without its fallback, which prints to stdout and tries the same again.
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        # Names are decoded only when they are read, so that a damaged one fails here.
        inputs, outputs = (
            [Value(name=node.name, type=node.type, shape=tuple(node.shape)) for node in nodes]
            for nodes in (session.get_inputs(), session.get_outputs())
        )
    except Exception as error:
        raise InvalidData(f"{path} does not load as an ONNX model: {_first_line(error)}; export it again") from error
    return session, inputs, outputs


def _listed(values: Sequence[Value]) -> str:
    return ", ".join(map(str, values)) or "none"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
