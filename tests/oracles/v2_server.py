"""A small real server of the Open Inference Protocol v2, which can misbehave on demand.

Written from the protocol, not from the client: it has its own encoding, so that a misunderstanding shows.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = {
    "UINT8": "<u1",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
Fault = Callable[["Handler"], bool]
"""Called instead of the normal answer to one inference request; False lets the normal answer follow."""


class V2Server:
    """Serves one model at ``url`` until ``stop``."""

    def __init__(
        self,
        answer: Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]],
        *,
        shape: Sequence[int] = (-1, 4),
        datatype: str = "FP32",
        outputs: Sequence[tuple[str, str, Sequence[int]]] = (("probabilities", "FP32", (-1, 3)),),
        binary: bool = True,
        token: str | None = None,
        described: bool = True,
    ) -> None:
        """``answer`` maps inputs ``(n, …)`` to arrays by output name; ``outputs`` are (name, datatype, shape)."""
        self.answer = answer
        self.datatypes = {name: datatype for name, datatype, _ in outputs}
        self.token = token
        self.binary = binary
        self.metadata: dict[str, Any] = {
            "name": "m",
            "versions": ["1"],
            "platform": "test",
            "inputs": [],
            "outputs": [],
        }
        if described:
            self.metadata["inputs"] = [{"name": "x", "datatype": datatype, "shape": list(shape)}]
            self.metadata["outputs"] = [{"name": n, "datatype": t, "shape": list(s)} for n, t, s in outputs]
        self.faults: deque[Fault] = deque()
        """What goes wrong with the next requests, one fault each."""
        self.always: Fault | None = None
        """What goes wrong with every request once ``faults`` are used up."""
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers of all requests."""
        self.batches: list[int] = []
        """Inputs of each inference request that was read, in order."""
        self.running = self.most_running = 0
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.owner = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.host = f"http://127.0.0.1:{self._http.server_port}"
        self.url = f"{self.host}/v2/models/m"

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    # Head and body leave in one packet; in two, the second would wait 40 ms for the first to be acknowledged.
    wbufsize = -1
    disable_nagle_algorithm = True

    @property
    def owner(self) -> V2Server:
        owner: V2Server = self.server.owner  # type: ignore[attr-defined]
        return owner

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._note()
        if not self._allowed():
            return
        if self.path == "/v2":
            extensions = ["binary_tensor_data"] if self.owner.binary else []
            self.reply({"name": "test", "version": "1", "extensions": extensions})
        elif self.path == "/v2/models/m":
            self.reply(self.owner.metadata)
        else:
            self.reply({"error": f"unknown model at {self.path}"}, status=404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.owner.lock:
            self.owner.running += 1
            self.owner.most_running = max(self.owner.most_running, self.owner.running)
            fault = self.owner.faults.popleft() if self.owner.faults else self.owner.always
        self._note()
        try:
            x, wanted = self._parse(body)
            self.owner.batches.append(len(x))
            if self._allowed() and not (fault is not None and fault(self)):
                self._infer(x, wanted)
        finally:
            with self.owner.lock:
                self.owner.running -= 1

    def reply(
        self,
        said: Any,
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send ``said``: bytes as they are, all else as JSON."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _note(self) -> None:
        self.owner.requests.append((self.command, self.path, {name.lower(): v for name, v in self.headers.items()}))

    def _allowed(self) -> bool:
        token = self.owner.token
        if token is not None and self.headers.get("Authorization") != f"Bearer {token}":
            self.reply({"error": "no such user"}, status=401)
            return False
        return True

    def _parse(self, body: bytes) -> tuple[NDArray[Any], bool]:
        """The inputs, and whether the answer is wanted as binary data."""
        length = int(self.headers.get("Inference-Header-Content-Length", len(body)))
        request = json.loads(body[:length])
        (entry,) = request["inputs"]
        dtype = np.dtype(DTYPES[entry["datatype"]])
        if "data" in entry:
            x = np.asarray(entry["data"], dtype=dtype)
        else:
            assert entry["parameters"]["binary_data_size"] == len(body) - length
            x = np.frombuffer(body[length:], dtype=dtype)
        wanted = [request.get("parameters", {}).get("binary_data_output", False)]
        wanted += [output.get("parameters", {}).get("binary_data", False) for output in request.get("outputs", [])]
        return x.reshape(entry["shape"]), any(wanted)

    def _infer(self, x: NDArray[Any], binary: bool) -> None:
        outputs, blobs = [], []
        for name, array in self.owner.answer(x).items():
            datatype = self.owner.datatypes[name]
            values = np.ascontiguousarray(array, dtype=DTYPES[datatype])
            entry: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(values.shape)}
            if binary:
                blobs.append(values.tobytes())
                entry["parameters"] = {"binary_data_size": len(blobs[-1])}
            else:
                entry["data"] = values.ravel().tolist()
            outputs.append(entry)
        head = json.dumps({"model_name": "m", "outputs": outputs}).encode()
        if not binary:
            self.reply(head)
            return
        headers = {"Inference-Header-Content-Length": str(len(head))}
        self.reply(head + b"".join(blobs), content_type="application/octet-stream", headers=headers)


def status(code: int, said: Any = None, **headers: str) -> Fault:
    """Answer with a status and an error; underscores in header names read as dashes."""

    def fault(handler: Handler) -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.reply({"error": "out of order"} if said is None else said, status=code, headers=named)
        return True

    return fault


def instead(said: Any, *, content_type: str = "application/json", **headers: str) -> Fault:
    """Answer 200 with something else."""

    def fault(handler: Handler) -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.reply(said, content_type=content_type, headers=named)
        return True

    return fault


def late(seconds: float) -> Fault:
    """Answer, but so many seconds later."""

    def fault(handler: Handler) -> bool:
        time.sleep(seconds)
        return False

    return fault


def dripping(seconds: float) -> Fault:
    """Send the head of a reply at once and its body one byte every so many seconds, for at most 3 s."""

    def fault(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                break
            time.sleep(seconds)
        handler.close_connection = True
        return True

    return fault


def dropped(handler: Handler) -> bool:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.close()
    return True


def cut(handler: Handler) -> bool:
    """Promise more bytes than are sent, then close the connection."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"outputs": [')
    handler.wfile.flush()
    handler.close_connection = True
    return True


class Servers:
    """Makes servers, stops them all, and holds the faults for whoever can't import this file."""

    status = staticmethod(status)
    instead = staticmethod(instead)
    late = staticmethod(late)
    dripping = staticmethod(dripping)
    dropped = staticmethod(dropped)
    cut = staticmethod(cut)

    def __init__(self) -> None:
        """None runs yet."""
        self._running: list[V2Server] = []

    def start(self, answer: Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]], **keywords: Any) -> V2Server:
        """A running server with ``V2Server``'s parameters."""
        self._running.append(V2Server(answer, **keywords))
        return self._running[-1]

    def stop(self) -> None:
        """Stop all that were started."""
        while self._running:
            self._running.pop().stop()
