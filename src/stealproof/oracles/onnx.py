"""An ONNX file as an oracle, run by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stealproof.errors import AccessDenied, InvalidData, OracleUnavailable
from stealproof.oracle import Access, Answer, Answers, Budget, Domain, Oracle, Transcript
from stealproof.oracles._onnx_file import check_onnx_file
from stealproof.oracles._onnx_graph import OnnxGraph
from stealproof.oracles._scores import (
    check_range,
    class_indices,
    default_domain,
    is_simplex,
    softmax_rows,
    two_columns,
)

LOGITS = Access(answer=Answer.LOGITS)
PROBES = 8
"""Uniform inputs that a graph is tried on when it is opened. The file is the caller's own: they are no queries."""


class OnnxOracle(Oracle):
    """Answers with labels, probabilities or logits of a graph; for the rest wrap it in ``GuardedOracle``.

    A graph has one input, with the batch first, and gives scores ``(n, classes)``, or labels ``(n,)``, or both as
    skl2onnx writes them (a label, and probabilities as a tensor or as a map for each row). One column of scores is
    the positive class of two. The label is that of the largest score.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        domain: Domain | None = None,
        classes: int | None = None,
        access: Access | None = None,
        budget: Budget | None = None,
        transcript: Transcript | None = None,
        output: str | None = None,
        softmax: bool = False,
        threads: int = 1,
        batch: int = 1024,
    ) -> None:
        """Open the graph and try it on a few inputs.

        Args:
            path: the ``.onnx`` file; external weights must lie in its folder.
            domain: legal inputs; None for [0, 1] (bytes: 0 to 255) in the shape that the graph declares.
            classes: number of classes; None to count the graph's scores.
            access: what clients see; None for all that the graph gives (probabilities, logits or labels).
            budget: meter of queries.
            transcript: keeps what is asked and answered.
            output: name of the output with the answers, for a graph with several.
            softmax: whether the scores are logits that clients shall see as probabilities.
            threads: onnxruntime's threads within one operator (``intra_op_num_threads``).
            batch: most inputs of one run; a graph with a fixed batch decides for itself.

        Raises:
            InputError: no such file.
            UnsafeFile: a pickle, or weights outside the folder.
            InvalidData: a damaged file, or a graph that is no classifier of such inputs.
            AccessDenied: the graph can't give answers of this kind.
        """
        path = Path(path)
        check_onnx_file(path)
        self._graph = OnnxGraph(path, output=output, threads=threads)
        self._softmax = softmax
        self._batch = batch
        domain = domain or default_domain(self._graph.declared_shape, self._graph.dtype)
        check_range(path, self._graph.dtype, domain)
        probed = self._graph.run(domain.uniform(PROBES, np.random.default_rng(0)), batch=batch)
        if self._graph.gives_scores:
            probed = softmax_rows(two_columns(probed, LOGITS)) if softmax else probed
            access = _check_scores(path, access, probed)
            columns = max(2, probed.shape[1])
            classes = classes or columns
            if self._graph.names is not None and access.answer is not Answer.LOGITS:
                self._columns = class_indices(self._graph.names, classes, name=path.name)
            elif classes == columns:
                self._columns = np.arange(columns)
            else:
                raise InvalidData(f"{path} gives {columns} scores for each input, expected {classes}, one a class")
        else:
            access = access or Access(answer=Answer.LABELS)
            if access.answer is not Answer.LABELS:
                raise AccessDenied(f"{path} answers labels only, not {access}")
            if classes is None:
                raise InvalidData(f"{path} answers labels only, which do not tell how many classes there are; pass it")
        super().__init__(domain=domain, classes=classes, access=access, budget=budget, transcript=transcript)

    def _answer(self, queries: NDArray[Any]) -> Answers:
        try:
            raw = self._graph.run(queries, batch=self._batch)
        except InvalidData as error:
            raise OracleUnavailable(str(error)) from error
        if not self._graph.gives_scores:
            return Answers(labels=raw.astype(np.int64))
        shown = softmax_rows(two_columns(raw, LOGITS)) if self._softmax else two_columns(raw, self.access)
        if shown.shape[1] != len(self._columns):
            raise OracleUnavailable(f"expected {len(self._columns)} scores a row, got {shown.shape[1]}")
        scores = np.zeros((len(shown), self.classes), dtype=shown.dtype)
        scores[:, self._columns] = shown
        labels = scores.argmax(axis=1)
        return Answers(labels=labels, scores=None if self.access.answer is Answer.LABELS else scores)


def _check_scores(path: Path, access: Access | None, probed: NDArray[Any]) -> Access:
    """The access to scores like ``probed`` ``(n, columns)``: as declared if that is true, else what they look like."""
    found = Answer.PROBABILITIES if is_simplex(probed) else Answer.LOGITS
    if access is None:
        return Access(answer=found)
    if access.answer not in (Answer.LABELS, Answer.PROBABILITIES, Answer.LOGITS):
        raise AccessDenied(f"an ONNX graph answers labels, probabilities or logits, not {access}")
    if access.answer is Answer.PROBABILITIES and found is Answer.LOGITS:
        sums = probed.sum(axis=1)
        raise InvalidData(
            f"{path} was declared to answer probabilities, but its rows sum to {sums.min():g}..{sums.max():g}:"
            " declare logits, or let a softmax be applied"
        )
    if access.answer is Answer.LOGITS and found is Answer.PROBABILITIES:
        raise InvalidData(f"{path} was declared to answer logits, but its rows are probabilities: declare those")
    return access
