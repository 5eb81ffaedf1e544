"""Local linear models of a classifier (LIME): how each segment of an input speaks for each class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import EvidenceError
from stealproof.oracle import Answers, Domain

MASKS = 10_000
"""Most questions about one input, which a judge holds in memory together."""
BATCH = 1024
"""Inputs that are masked and asked at once; bounds the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Inputs under random masks: what every model is asked."""

    inputs: NDArray[np.float32]
    """``(n, *shape)``."""
    segments: NDArray[np.int64]
    """The segment of each value, from 0: ``(height, width)`` for images, for other inputs their shape."""
    keep: NDArray[np.uint8]
    """``(n, m, number of segments)``: 1 where a mask shows the segment."""
    fill: NDArray[np.float32]
    """``(n, *shape)``: what stands where a segment is hidden."""

    def check(self) -> None:
        """Raise ``EvidenceError`` unless masks, segments and fill belong to the inputs."""
        shape, masks = self.inputs.shape, self.keep.shape
        if self.fill.shape != shape or len(masks) != 3 or masks[0] != shape[0]:
            raise EvidenceError(
                f"expected a fill of shape {shape} and masks for {shape[0]} inputs, got {self.fill.shape} and {masks}"
            )
        if masks[1] > MASKS:
            raise EvidenceError(f"expected at most {MASKS:,} masks for an input, got {masks[1]:,}")
        if (
            self.segments.shape not in (shape[1:], shape[2:])
            or not 0 <= self.segments.min() <= self.segments.max() < masks[2]
        ):
            raise EvidenceError(
                f"expected one of {masks[2]} segments for each value of inputs of shape {shape[1:]}, got shape"
                f" {self.segments.shape} with segments {self.segments.min()}..{self.segments.max()}"
            )

    def explain(
        self,
        ask: Callable[[NDArray[np.float32]], Answers],
        readings: tuple[Callable[[Answers], NDArray[np.float64]], ...],
    ) -> list[NDArray[np.float64]]:
        """For each reading of the answers ``(n, classes)`` the weights of all inputs together, as one vector.

        The weights of one input are the least-squares solution without a constant, of least norm if there are several.
        """
        explained: list[list[NDArray[np.float64]]] = [[] for _ in readings]
        for rows, batch in self._batches():
            answers = ask(batch)
            for found, reading in zip(explained, readings, strict=True):
                outputs = reading(answers).reshape(len(rows), self.keep.shape[1], -1)
                found += [
                    np.linalg.pinv(self.keep[row].astype(float)) @ y for row, y in zip(rows, outputs, strict=True)
                ]
        return [np.concatenate([w.ravel() for w in found]) for found in explained]

    def _batches(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        masks = self.keep.shape[1]
        for start in range(0, len(self.inputs), max(1, BATCH // masks)):
            rows = np.arange(start, min(start + max(1, BATCH // masks), len(self.inputs)))
            shown = self.keep[rows][:, :, self.segments].astype(bool)
            if self.inputs.ndim == self.segments.ndim + 2:
                shown = shown[:, :, None]
            masked = np.where(shown, self.inputs[rows, None], self.fill[rows, None])
            yield rows, masked.reshape(-1, *self.inputs.shape[1:])


def blocks(shape: tuple[int, ...], grid: int) -> NDArray[np.int64]:
    """The segments of an image ``(channels, height, width)``: ``grid`` times ``grid`` blocks; else as many runs."""
    if len(shape) == 3:
        rows, columns = (_parts(length, grid) for length in shape[1:])
        return np.asarray(rows[:, None] * (columns.max() + 1) + columns)
    return _parts(int(np.prod(shape)), grid * grid).reshape(shape)


def hidden(x: NDArray[np.float32], segments: NDArray[np.int64], domain: Domain) -> NDArray[np.float32]:
    """What hides the segments of the inputs ``(n, *shape)``: an image's own mean colour in each segment.

    Columns of a flat input have no common colour; they are hidden by the median of ``x``, which is one of its values,
    so that a categorical column keeps to its levels.
    """
    if x.ndim == segments.ndim + 1:
        return np.tile(np.quantile(x, 0.5, axis=0, method="nearest").astype(np.float32), (len(x), *[1] * segments.ndim))
    members = np.eye(int(segments.max()) + 1)[segments.ravel()]
    means = x.reshape(*x.shape[:2], -1) @ (members / members.sum(axis=0))
    return np.asarray(np.clip((means @ members.T).reshape(x.shape), domain.low, domain.high), dtype=np.float32)


def cosine_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """1 minus the cosine of the angle between two vectors, 0 to 2; 1 when one of them is zero."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return 1.0 if lengths == 0 else 1 - float(one @ other) / lengths


def _parts(length: int, parts: int) -> NDArray[np.int64]:
    """The part, from 0, of each of ``length`` places; parts are as equal as can be."""
    return np.asarray(np.arange(length) * min(length, parts) // length, dtype=np.int64)
