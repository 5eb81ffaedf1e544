"""A model behind HTTP as an oracle, over the Open Inference Protocol v2 (KServe, Triton, MLServer, OpenVINO)."""

from __future__ import annotations

import functools
import ssl
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from stealproof import seeds
from stealproof.errors import InputError, OracleUnavailable
from stealproof.oracle import Access, Answer, Answers, Budget, Domain, Oracle, Transcript
from stealproof.oracles import _v2
from stealproof.oracles._scores import softmax_rows, two_columns
from stealproof.oracles._served import Served
from stealproof.oracles._transport import Patience as Patience
from stealproof.oracles._transport import Reply, Transport, shown

LOGITS = Access(answer=Answer.LOGITS)


class HttpOracle(Oracle):
    """Answers with labels, probabilities or logits of a served model; for the rest wrap it in ``GuardedOracle``.

    One query is one input, however many share a request. A query is counted before it is sent and stays counted when
    its reply is lost; inputs that were sent again are in ``resent``, since their owner may have to pay for those too.
    """

    def __init__(
        self,
        url: str,
        *,
        domain: Domain | None = None,
        classes: int | None = None,
        access: Access | None = None,
        budget: Budget | None = None,
        transcript: Transcript | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        output: str | None = None,
        softmax: bool = False,
        binary: bool | None = None,
        batch: int = 64,
        parallel: int = 1,
        patience: Patience | None = None,
        seed: int = 0,
    ) -> None:
        """Ask the server for the model's metadata; that is no query.

        Args:
            url: ``http(s)://HOST/v2/models/NAME``, with ``/versions/V`` if wanted.
            domain: legal inputs; None for [0, 1] (bytes: 0 to 255) in the shape that the metadata tell.
            classes: number of classes; None for the number of scores that the metadata tell.
            access: what the answers contain; None for probabilities, or labels when the output is integer.
            budget: meter of queries.
            transcript: keeps what is asked and answered.
            token: sent as ``Authorization: Bearer …``, to this host only.
            headers: sent with every request.
            output: name of the output with the answers, for a model with several.
            softmax: whether the scores are logits that shall be seen as probabilities.
            binary: whether tensors travel as binary data; None when the server says that it can.
            batch: most inputs of one request, at least 1.
            parallel: most requests at a time, at least 1.
            patience: timeouts, retries and bounds.
            seed: of the random part of the waiting times.

        Raises:
            InputError: the URL or a parameter is wrong.
            InvalidData: the metadata do not tell the shape or the classes, or contradict ``domain``.
            AccessDenied: the model can't give answers of this kind.
            OracleUnavailable: the server is down, slow, refuses, or answers nonsense.
        """
        if batch < 1 or parallel < 1:
            raise InputError(f"batch and parallel must be at least 1, got {batch} and {parallel}")
        self._url = _parsed(url)
        self._where = shown(self._url)
        patience = patience or Patience()
        sent = _checked({**(headers or {}), **({} if token is None else {"Authorization": f"Bearer {token}"})})
        client = httpx.Client(headers=sent, timeout=patience.timeout, follow_redirects=False, verify=_trusted())
        # Connections are closed with the oracle, whoever drops it last.
        self._close = weakref.finalize(self, client.close)
        self._transport = Transport(client=client, patience=patience, rng=seeds.rng(seed, "http", "backoff"))
        self._served = served = Served.described(
            self._where, self._metadata(), domain=domain, classes=classes, access=access, output=output
        )
        self._softmax = softmax
        self._binary = self._server_takes_binary() if binary is None else binary
        self._batch = min(batch, served.largest_batch or batch)
        self._parallel = parallel
        self.resent = 0
        """Inputs that were sent again after a lost reply or a refusal that passed."""
        self._lock = threading.Lock()
        super().__init__(
            domain=served.domain, classes=served.classes, access=served.access, budget=budget, transcript=transcript
        )

    def close(self) -> None:
        """Close the connections. Dropping the oracle does it too."""
        self._close()

    def _answer(self, queries: NDArray[Any]) -> Answers:
        self._transport.stopped.clear()
        if self._served.flat:
            queries = queries.reshape(len(queries), -1)
        chunks = [queries[start : start + self._batch] for start in range(0, len(queries), self._batch)]
        if self._parallel == 1 or len(chunks) == 1:
            return Answers.joined([self._request(chunk) for chunk in chunks])
        return Answers.joined(self._request_all(chunks))

    def _request_all(self, chunks: list[NDArray[Any]]) -> list[Answers]:
        """Several requests at a time. The first failure, or Ctrl-C, ends the others' waiting."""
        with ThreadPoolExecutor(self._parallel) as pool:
            futures = [pool.submit(self._request, chunk) for chunk in chunks]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                failed = next((future for future in done if future.exception() is not None), None)
                return [future.result() for future in ([failed] if failed else futures)]
            finally:
                self._transport.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _request(self, x: NDArray[Any]) -> Answers:
        """The answers to one request of at most ``batch`` inputs."""
        body, headers = _v2.encode_request(x, self._served.input, self._served.output, binary=self._binary)
        reply = self._transport.send(
            "POST", _below(self._url, "infer"), body=body, headers=headers, retried=lambda: self._count_again(len(x))
        )
        header_length = reply.headers.get(_v2.HEADER_LENGTH)
        if header_length is None:
            self._expect_json(reply)
        try:
            outputs = _v2.decode_response(reply.body, header_length)
        except ValueError as error:
            raise OracleUnavailable(f"{self._where} answers what the protocol does not allow: {error}") from error
        return self._answers(self._served.pick(self._where, outputs), len(x))

    def _answers(self, raw: NDArray[Any], count: int) -> Answers:
        """Labels and scores of the output ``raw``, which should be ``(count,)`` or ``(count, columns)``."""
        if raw.ndim not in (1, 2) or len(raw) != count:
            raise OracleUnavailable(
                f"{self._where}: expected an output of {count} rows with a score for each class, got shape {raw.shape}"
            )
        if raw.dtype.kind in "iu":
            if raw.size != count:
                raise OracleUnavailable(f"{self._where}: expected one label for each input, got shape {raw.shape}")
            if self.access.answer is not Answer.LABELS:
                raise OracleUnavailable(f"{self._where}: expected {self.access}, got integers; declare labels")
            return Answers(labels=raw.reshape(count).astype(np.int64))
        columns = raw.reshape(count, -1)
        scores = softmax_rows(two_columns(columns, LOGITS)) if self._softmax else two_columns(columns, self.access)
        if self.access.answer is not Answer.LABELS:
            return Answers(scores=scores)
        if not np.isfinite(scores).all():
            raise OracleUnavailable(f"{self._where}: expected finite scores, got NaN or infinity")
        return Answers(labels=scores.argmax(axis=1))

    def _metadata(self) -> _v2.Metadata:
        reply = self._transport.send("GET", self._url)
        self._expect_json(reply)
        try:
            return _v2.parse_metadata(reply.body)
        except ValueError as error:
            raise OracleUnavailable(f"{self._where} answers no metadata of a model: {error}") from error

    def _server_takes_binary(self) -> bool:
        """Whether the server's metadata list the extension; a proxy may show only the model, which then means no."""
        transport = replace(self._transport, patience=replace(self._transport.patience, retries=0))
        try:
            reply = transport.send("GET", self._url.copy_with(path=self._url.path.rpartition("/models/")[0]))
            return "binary_tensor_data" in (_v2.parse_object(reply.body).get("extensions") or ())
        except (OracleUnavailable, ValueError, TypeError):
            return False

    def _expect_json(self, reply: Reply) -> None:
        kind = reply.headers.get("Content-Type", "application/json").partition(";")[0].strip()
        if not kind.endswith("json"):
            raise OracleUnavailable(
                f"{self._where}: expected application/json, got {kind[:60]}; check that this is a v2 endpoint"
            )

    def _count_again(self, inputs: int) -> None:
        with self._lock:
            self.resent += inputs


def _parsed(url: str) -> httpx.URL:
    """``url`` without a trailing slash; ``InputError`` unless it is that of a model."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"expected a URL of the form https://HOST/v2/models/NAME, got {url!r} ({error})") from error
    path = parsed.path.rstrip("/").removesuffix("/infer")
    model = path.rpartition("/v2/models/")[2] if "/v2/models/" in path else ""
    if parsed.scheme not in ("http", "https") or not parsed.host or not model:
        raise InputError(f"expected a URL of the form https://HOST/v2/models/NAME, got {shown(parsed)!r}")
    return parsed.copy_with(path=path)


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """``headers`` and what goes with them. The error for an illegal one leaves out its value, which may be secret."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise InputError(f"expected printable ASCII in the header {name}; remove line breaks and other characters")
    return {"Accept-Encoding": "identity", **headers}


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The machine's trusted certificates; reading them takes longer than many a request, so it is done once."""
    return httpx.create_ssl_context()


def _below(url: httpx.URL, name: str) -> httpx.URL:
    return url.copy_with(path=f"{url.path}/{name}")
